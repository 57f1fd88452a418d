package main

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"journey/harbor"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const (
	patience = 30 * time.Second
	largest  = 1 << 20 // bytes
)

// receiver takes Harbor's webhooks and hands them on, once they are verified.
type receiver struct {
	url     string
	webhook *standardwebhooks.Webhook
	told    chan harbor.OrderWebhook
}

// listen starts a receiver, which ends with the program.
func listen() (*receiver, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &receiver{
		url:  "http://" + listener.Addr().String() + "/harbor",
		told: make(chan harbor.OrderWebhook, 100),
	}
	server := &http.Server{Handler: r, ReadTimeout: patience}
	go func() { _ = server.Serve(listener) }()
	return r, nil
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, request.Body, largest))
	if err != nil || r.webhook.Verify(body, request.Header) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	var webhook harbor.OrderWebhook
	if json.Unmarshal(body, &webhook) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	r.told <- webhook
	w.WriteHeader(http.StatusNoContent)
}

// next is the next one that is told.
func (r *receiver) next() (harbor.OrderWebhook, error) {
	select {
	case webhook := <-r.told:
		return webhook, nil
	case <-time.After(patience):
		return harbor.OrderWebhook{}, errors.New("no webhook came")
	}
}
