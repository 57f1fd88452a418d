// Receives Harbor's webhooks: go run .
package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const largest = 1 << 20 // bytes; Harbor sends far less

type event struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Sequence int64  `json:"sequence"`
	Data     struct {
		Order *struct { // nil for an event of the endpoint itself
			ID      string `json:"id"`
			Status  string `json:"status"`
			Version int    `json:"version"`
		} `json:"order"`
	} `json:"data"`
}

type receiver struct {
	webhook *standardwebhooks.Webhook
	seen    sync.Map
}

// accept writes it down, once; do the work later. With you seen is a table with the id as its key.
func (r *receiver) accept(e event) {
	if _, known := r.seen.LoadOrStore(e.ID, true); !known {
		fmt.Println("accepted", e.Type, e.ID)
	}
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, request.Body, largest))
	if err != nil {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	// The bytes as they came: JSON that was read and written again has another signature.
	var e event
	if r.webhook.Verify(body, request.Header) != nil || json.Unmarshal(body, &e) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	r.accept(e)
	w.WriteHeader(http.StatusNoContent)
}

func main() {
	secret := os.Getenv("WEBHOOK_SECRET") // whsec_…
	if secret == "" {
		log.Fatal("WEBHOOK_SECRET is not set") // the library takes an empty one
	}
	webhook, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		log.Fatal("WEBHOOK_SECRET is no secret")
	}
	routes := http.NewServeMux()
	routes.Handle("POST /harbor", &receiver{webhook: webhook})
	listener, err := net.Listen("tcp", "127.0.0.1:"+cmp.Or(os.Getenv("PORT"), "8080"))
	if err != nil {
		log.Fatal(err)
	}
	log.Println("listening on", listener.Addr())
	server := &http.Server{Handler: routes, ReadTimeout: 20 * time.Second}
	log.Fatal(server.Serve(listener))
}
