package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	mostBytes  = 64 << 10
	answerKept = 30 * 24 * time.Hour
)

// OrderIn is an order to place.
type OrderIn struct {
	CustomerID    string            `json:"customer_id"`
	AmountCents   int64             `json:"amount_cents"`
	Currency      string            `json:"currency"`
	InvoiceID     *string           `json:"invoice_id"`
	Description   *string           `json:"description"`
	PaymentMethod *string           `json:"payment_method"`
	CaptureMethod string            `json:"capture_method"`
	Metadata      map[string]string `json:"metadata"`
}

// Failure says why an order failed.
type Failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// OrderOut is an order as the API shows it.
type OrderOut struct {
	ID                  uuid.UUID         `json:"id"`
	Status              string            `json:"status"`
	CustomerID          string            `json:"customer_id"`
	AmountCents         int64             `json:"amount_cents"`
	Currency            string            `json:"currency"`
	InvoiceID           *string           `json:"invoice_id"`
	Description         *string           `json:"description"`
	PaymentMethod       *string           `json:"payment_method"`
	CaptureMethod       string            `json:"capture_method"`
	Metadata            map[string]string `json:"metadata"`
	AmountCapturedCents int64             `json:"amount_captured_cents"`
	AmountRefundedCents int64             `json:"amount_refunded_cents"`
	Failure             *Failure          `json:"failure"`
	Version             int               `json:"version"`
	CreatedAt           string            `json:"created_at"`
	UpdatedAt           string            `json:"updated_at"`
}

// Orders answers the requests about orders.
type Orders struct {
	pool     *pgxpool.Pool
	merchant uuid.UUID
}

// One statement writes all four rows, or none if the key is there already. pgx prepares it on the
// first use of each connection.
const placeSQL = `
WITH claim AS (
    INSERT INTO idempotency_keys (
        merchant_id, key, route, fingerprint_version, fingerprint, members, resource_type,
        resource_id, status, location, body, sealed, created_at, expires_at
    )
    VALUES ($1, $2, 'POST /v1/orders', 1, $3, $4, 'order', $5, 201, $6, $7, false, $8, $9)
    ON CONFLICT DO NOTHING
    RETURNING resource_id
), new_order AS (
    INSERT INTO orders (
        id, merchant_id, idempotency_key, customer_id, amount_minor, currency, invoice_id,
        description, payment_method, capture_method, metadata, status, captured_minor,
        refunded_minor, risk_score, version, created_at, updated_at
    )
    SELECT $5, $1, $2, $10, $11, $12, $13, $14, $15, $16, $17, 'pending', 0, 0, 5, 1, $8, $8
    FROM claim
), new_operation AS (
    INSERT INTO payment_operations (
        id, merchant_id, order_id, kind, amount_minor, currency, payment_method, state, fence,
        attempts, due_at, created_at, updated_at
    )
    SELECT $18, $1, $5, 'charge', $11, $12, $15, 'pending', 0, 0, $8, $8, $8
    FROM claim
), new_event AS (
    INSERT INTO events (
        id, merchant_id, order_id, order_version, type, occurred_at, data
    )
    SELECT $19, $1, $5, 1, 'order.created', $8, $20
    FROM claim
)
SELECT count(*) FROM claim`

const findAnswerSQL = `
SELECT fingerprint, body, location FROM idempotency_keys WHERE merchant_id = $1 AND key = $2`

func (o *Orders) place(w http.ResponseWriter, r *http.Request) {
	key := r.Header.Get("Idempotency-Key")
	if key == "" {
		refuse(w, http.StatusBadRequest, "Idempotency-Key is missing")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostBytes))
	if err != nil {
		refuse(w, http.StatusBadRequest, "the body cannot be read")
		return
	}
	order := OrderIn{CaptureMethod: "automatic", Metadata: map[string]string{}}
	if err := json.Unmarshal(body, &order); err != nil {
		refuse(w, http.StatusBadRequest, "the body is not an order")
		return
	}
	if err := order.check(); err != nil {
		refuse(w, http.StatusUnprocessableEntity, err.Error())
		return
	}
	fingerprint := sha256.Sum256(body)
	answer, err := newAnswer(&order)
	if err == nil {
		var claimed int64
		claimed, err = o.save(r.Context(), key, body, fingerprint[:], &order, answer)
		if err == nil && claimed == 0 {
			o.replay(w, r, key, fingerprint[:])
			return
		}
	}
	if err != nil {
		refuse(w, http.StatusInternalServerError, "the order could not be saved")
		return
	}
	respond(w, http.StatusCreated, answer.body, answer.location)
}

func (order *OrderIn) check() error {
	switch {
	case order.CustomerID == "" || len(order.CustomerID) > 128:
		return errors.New("customer_id is missing or too long")
	case order.AmountCents < 1 || order.AmountCents > 10_000_000:
		return errors.New("amount_cents is out of range")
	case len(order.Currency) != 3:
		return errors.New("currency is not an ISO 4217 code")
	}
	return nil
}

// answer is what the first request gets, and every repeat of it.
type answer struct {
	id       uuid.UUID
	at       time.Time
	body     []byte
	location string
}

func newAnswer(order *OrderIn) (*answer, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return nil, err
	}
	at := time.Now().UTC().Truncate(time.Microsecond)
	moment := at.Format("2006-01-02T15:04:05.000000Z")
	body, err := json.Marshal(OrderOut{
		ID:            id,
		Status:        "pending",
		CustomerID:    order.CustomerID,
		AmountCents:   order.AmountCents,
		Currency:      order.Currency,
		InvoiceID:     order.InvoiceID,
		Description:   order.Description,
		PaymentMethod: order.PaymentMethod,
		CaptureMethod: order.CaptureMethod,
		Metadata:      order.Metadata,
		Version:       1,
		CreatedAt:     moment,
		UpdatedAt:     moment,
	})
	return &answer{id: id, at: at, body: body, location: "/v1/orders/" + id.String()}, err
}

func (o *Orders) save(
	ctx context.Context, key string, body, fingerprint []byte, order *OrderIn, made *answer,
) (claimed int64, err error) {
	metadata, err := json.Marshal(order.Metadata)
	if err != nil {
		return 0, err
	}
	operationID, err := uuid.NewV7()
	if err != nil {
		return 0, err
	}
	eventID, err := uuid.NewV7()
	if err != nil {
		return 0, err
	}
	err = o.pool.QueryRow(ctx, placeSQL,
		o.merchant, key, fingerprint, string(body), made.id, made.location, made.body, made.at,
		made.at.Add(answerKept), order.CustomerID, order.AmountCents, order.Currency,
		order.InvoiceID, order.Description, order.PaymentMethod, order.CaptureMethod,
		string(metadata), operationID, eventID, string(made.body),
	).Scan(&claimed)
	return claimed, err
}

func (o *Orders) replay(w http.ResponseWriter, r *http.Request, key string, fingerprint []byte) {
	var stored, body []byte
	var location string
	err := o.pool.QueryRow(r.Context(), findAnswerSQL, o.merchant, key).Scan(
		&stored, &body, &location)
	if err != nil {
		refuse(w, http.StatusInternalServerError, "the answer could not be read")
		return
	}
	if !bytes.Equal(stored, fingerprint) {
		refuse(w, http.StatusUnprocessableEntity, "Idempotency-Key was used for another request")
		return
	}
	respond(w, http.StatusOK, body, location)
}

func respond(w http.ResponseWriter, status int, body []byte, location string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Location", location)
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func refuse(w http.ResponseWriter, status int, message string) {
	body, _ := json.Marshal(map[string]string{"error": message})
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
