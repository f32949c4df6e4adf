package main

import "log/slog"

// logger makes the operator's log on standard error.
func (c *call) logger() *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.config.Log.Level)) // it is one of the words
	options := &slog.HandlerOptions{Level: level}
	if c.config.Log.Format == "json" {
		return slog.New(slog.NewJSONHandler(c.err, options))
	}
	return slog.New(slog.NewTextHandler(c.err, options))
}
