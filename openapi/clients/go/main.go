// What a partner does with Harbor, with the client that was generated for Go.
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"journey/harbor"

	"github.com/google/uuid"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

type journey struct {
	ctx      context.Context
	client   *harbor.ClientWithResponses
	losing   *harbor.ClientWithResponses
	receiver *receiver
}

func step(name string) { fmt.Println("step:", name) }

func aKey() string { return rand.Text() }

// must ends the journey with what was expected.
func must(holds bool, expected string) {
	if !holds {
		log.Panicln("expected:", expected)
	}
}

// got is the value of a call that may not fail.
func got[T any](value T, err error) T {
	if err != nil {
		log.Panicln(err)
	}
	return value
}

func (j *journey) place(request harbor.OrderRequest, key string) *harbor.PlaceOrderResponse {
	params := &harbor.PlaceOrderParams{IdempotencyKey: key}
	return got(j.client.PlaceOrderWithResponse(j.ctx, params, request))
}

func (j *journey) register() {
	params := &harbor.CreateWebhookEndpointParams{IdempotencyKey: aKey()}
	told := []harbor.EventType{
		harbor.EventTypeOrderAuthorized, harbor.EventTypeOrderPaid, harbor.EventTypeOrderRefunded,
	}
	body := harbor.WebhookEndpointRequest{Url: j.receiver.url, EventTypes: &told}
	answer := got(j.client.CreateWebhookEndpointWithResponse(j.ctx, params, body))
	must(answer.JSON201 != nil, "a new webhook endpoint")
	j.receiver.webhook = got(standardwebhooks.NewWebhook(answer.JSON201.Secret))
	step("register a webhook endpoint")
}

func (j *journey) placeTwice() uuid.UUID {
	manual := harbor.CaptureMethodManual
	request := harbor.OrderRequest{
		CustomerId:    "cus/42",
		AmountCents:   1999,
		Currency:      "EUR",
		CaptureMethod: &manual,
		Metadata:      &harbor.Metadata{"department": "procurement"},
	}
	key := aKey()
	first := j.place(request, key)
	must(first.JSON201 != nil, "201")
	must(first.JSON201.Metadata["department"] == "procurement", "the metadata")
	must(first.JSON201.Failure == nil, "no failure")
	step("place an order")
	again := j.place(request, key)
	must(again.JSON200 != nil, "200")
	must(*again.Headers200.IdempotentReplayed, "a replay")
	must(bytes.Equal(again.Body, first.Body), "the same answer")
	must(again.JSON200.Id == first.JSON201.Id, "the same order")
	step("retry it: the same order")
	return first.JSON201.Id
}

func (j *journey) beRefused() {
	answer := j.place(harbor.OrderRequest{CustomerId: "cus/42", Currency: "EUR"}, aKey())
	var problem *harbor.Problem = answer.ApplicationproblemJSON422
	must(problem != nil, "422")
	var code harbor.ProblemCode = problem.Code
	must(code == harbor.ProblemCodeValidationFailed, "validation_failed")
	pointers := []string{}
	for _, each := range *problem.Errors {
		pointers = append(pointers, each.Pointer)
	}
	must(slices.Equal(pointers, []string{"/amount_cents"}), "/amount_cents")
	step("handle a 422")
}

func (j *journey) told(event harbor.EventType, id uuid.UUID) harbor.Order {
	webhook := got(j.receiver.next())
	must(webhook.Type == event, string(event)+" and not "+string(webhook.Type))
	must(webhook.Data.Order.Id == id, "our order")
	step("be told of " + string(event))
	return webhook.Data.Order
}

func (j *journey) refund(id uuid.UUID, body harbor.RefundRequest) *harbor.RefundOrderResponse {
	params := &harbor.RefundOrderParams{IdempotencyKey: aKey()}
	return got(j.client.RefundOrderWithResponse(j.ctx, id, params, body))
}

func (j *journey) refundTooEarly(id uuid.UUID) {
	problem := j.refund(id, harbor.RefundRequest{}).ApplicationproblemJSON409
	must(problem != nil, "409")
	must(problem.Code == harbor.ProblemCodeOrderIsAuthorized, "order_is_authorized")
	step("handle a 409")
}

func (j *journey) captureAndRefund(order harbor.Order) {
	version := strconv.Quote(strconv.Itoa(order.Version))
	params := &harbor.CaptureOrderParams{IdempotencyKey: aKey(), IfMatch: &version}
	captured := got(
		j.client.CaptureOrderWithResponse(j.ctx, order.Id, params, harbor.CaptureRequest{}))
	must(captured.JSON202 != nil, "202")
	step("capture it")
	must(j.told(harbor.EventTypeOrderPaid, order.Id).AmountCapturedCents == 1999, "all of it")
	amount, reason := int64(500), "one item was broken"
	refunded := j.refund(order.Id, harbor.RefundRequest{AmountCents: &amount, Reason: &reason})
	must(refunded.JSON201 != nil && refunded.JSON201.AmountCents == amount, "a refund")
	step("refund a part")
	told := j.told(harbor.EventTypeOrderRefunded, order.Id)
	must(told.AmountRefundedCents == amount, "what was refunded")
}

func (j *journey) fetch(id uuid.UUID) {
	answer := got(j.client.GetOrderWithResponse(j.ctx, id, &harbor.GetOrderParams{}))
	must(answer.JSON200 != nil, "the order")
	must(answer.JSON200.Status == harbor.OrderStatusPartiallyRefunded, "partially_refunded")
	known := &harbor.GetOrderParams{IfNoneMatch: answer.Headers200.ETag}
	same := got(j.client.GetOrderWithResponse(j.ctx, id, known))
	must(same.StatusCode() == http.StatusNotModified, "304")
	step("fetch it")
}

func (j *journey) readEvents() {
	wanted := []harbor.EventType{harbor.EventTypeOrderPaid, harbor.EventTypeOrderRefunded}
	params := &harbor.ListEventsParams{Type: &wanted}
	answer := got(j.client.ListEventsWithResponse(j.ctx, params))
	must(answer.JSON200 != nil, "events")
	types := []harbor.EventType{}
	for _, event := range answer.JSON200.Data {
		types = append(types, event.Type)
	}
	must(slices.Equal(types, wanted), "both types")
	step("read two types of events")
}

func (j *journey) pageSizes() (sizes []int) {
	limit := 2
	params := &harbor.ListOrdersParams{Limit: &limit}
	for {
		answer := got(j.client.ListOrdersWithResponse(j.ctx, params))
		must(answer.JSON200 != nil, "a page")
		sizes = append(sizes, len(answer.JSON200.Data))
		if params.Cursor = answer.JSON200.NextCursor; params.Cursor == nil {
			return sizes
		}
	}
}

func (j *journey) placeThoughItIsLost() {
	key := aKey()
	request := harbor.OrderRequest{CustomerId: "cus/43", AmountCents: 100, Currency: "JPY"}
	placed := got(placeOrder(j.ctx, j.losing, key, request))
	again := j.place(request, key)
	must(again.JSON200 != nil && again.JSON200.Id == placed.Id, "the same order")
	step("place an order whose answer is lost")
}

func (j *journey) listAll() {
	for count := range int64(3) {
		request := harbor.OrderRequest{
			CustomerId: "cus/43", AmountCents: 101 + count, Currency: "JPY",
		}
		order := got(placeOrder(j.ctx, j.client, aKey(), request))
		must(order.AmountCents == request.AmountCents, "an order")
	}
	must(slices.Equal(j.pageSizes(), []int{2, 2, 1}), "three pages")
	step("page through all orders")
}

func (j *journey) refuseForgery() {
	request := got(http.NewRequest(http.MethodPost, j.receiver.url, strings.NewReader("{}")))
	request.Header.Set("webhook-id", "forged")
	request.Header.Set("webhook-timestamp", strconv.FormatInt(time.Now().Unix(), 10))
	request.Header.Set("webhook-signature", "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=")
	answer := got(http.DefaultClient.Do(request))
	must(answer.StatusCode == http.StatusBadRequest, "400")
	step("refuse a forged webhook")
}

func env(name string) string {
	value, there := os.LookupEnv(name)
	must(there, name)
	return value
}

func main() {
	key := env("HARBOR_API_KEY")
	authorize := func(_ context.Context, request *http.Request) error {
		request.Header.Set("Authorization", "Bearer "+key)
		return nil
	}
	client := func(url string) *harbor.ClientWithResponses {
		return got(harbor.NewClientWithResponses(env(url), harbor.WithRequestEditorFn(authorize)))
	}
	j := &journey{
		ctx:      context.Background(),
		client:   client("HARBOR_URL"),
		losing:   client("HARBOR_LOSING_URL"),
		receiver: got(listen()),
	}
	j.register()
	id := j.placeTwice()
	j.beRefused()
	authorized := j.told(harbor.EventTypeOrderAuthorized, id)
	j.refundTooEarly(id)
	j.captureAndRefund(authorized)
	j.fetch(id)
	j.readEvents()
	j.placeThoughItIsLost()
	j.listAll()
	j.refuseForgery()
}
