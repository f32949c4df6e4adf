package proxy

import (
	"context"
	"time"
)

// turn is a lock that one can stop waiting for.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

// take waits for the turn until ctx ends, and not longer than that.
func (t turn) take(ctx context.Context, most time.Duration) error {
	select {
	case t <- struct{}{}: // most of the time, and without a timer
		return nil
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (t turn) end() { <-t }
