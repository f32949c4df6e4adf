package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/pgveil/pgveil/testenv"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := prepare(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func prepare(ctx context.Context) error {
	var errs []error
	for _, part := range testenv.Parts() {
		if err := part.Check(); err != nil {
			errs = append(errs, err)
		}
	}
	if !testenv.VaultInstalled() {
		if _, err := testenv.BuildVault(ctx, os.Stderr); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
