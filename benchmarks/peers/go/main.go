// A create service as it is commonly written in Go: net/http and a pgx pool.
package main

import (
	"context"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
)

// What was best of 8, 16, 24, 32 and 64 at 16 and at 64 requests at once.
const defaultPoolSize = 24

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	pool, err := openPool(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	orders := &Orders{pool: pool, merchant: uuid.MustParse(os.Getenv("MERCHANT_ID"))}

	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/orders", orders.place)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", os.Getenv("PORT")))
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		<-ctx.Done()
		_ = server.Shutdown(context.Background())
	}()
	if err := server.Serve(listener); err != http.ErrServerClosed {
		log.Fatal(err)
	}
}

func openPool(ctx context.Context) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(os.Getenv("DATABASE_URL"))
	if err != nil {
		return nil, err
	}
	size := defaultPoolSize
	if text := os.Getenv("POOL_SIZE"); text != "" {
		if size, err = strconv.Atoi(text); err != nil {
			return nil, err
		}
	}
	config.MaxConns = int32(size)
	config.MinConns = int32(size)
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	return pool, pool.Ping(ctx)
}
