package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"journey/harbor"
)

const attempts = 5

// placeOrder is one order, however often it has to be asked for. Keep the key beside what you order
// it for.
func placeOrder(
	ctx context.Context, client *harbor.ClientWithResponses, key string, request harbor.OrderRequest,
) (*harbor.Order, error) {
	params := &harbor.PlaceOrderParams{IdempotencyKey: key}
	for attempt := 1; attempt <= attempts; attempt++ {
		seconds := attempt
		answer, err := client.PlaceOrderWithResponse(ctx, params, request)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil: // nobody answered
		case answer.JSON201 != nil:
			return answer.JSON201, nil
		case answer.JSON200 != nil:
			return answer.JSON200, nil
		default:
			after := answer.HTTPResponse.Header.Get("Retry-After")
			if after == "" && !isTemporary(answer.StatusCode()) {
				return nil, fmt.Errorf("refused: %s", answer.Body)
			}
			if asked, err := strconv.Atoi(after); err == nil {
				seconds = asked
			}
		}
		time.Sleep(time.Duration(seconds) * time.Second)
	}
	return nil, errors.New("no answer yet: ask again, with the same key")
}

func isTemporary(status int) bool {
	return status >= http.StatusInternalServerError ||
		status == http.StatusRequestTimeout || status == http.StatusTooManyRequests
}
