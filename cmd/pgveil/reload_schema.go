package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/pgveil/pgveil/schema"
)

// reload reads the schema file and the rules of access again. What it would not start with is
// refused, and what was there before stays, each for itself.
func (s *server) reload(ctx context.Context, c *call, log *slog.Logger) {
	s.reloadAccess(c, log)
	file, err := c.readSchema()
	if err == nil {
		warnOf(file, log)
		err = s.describe(ctx, c, file, log)
	}
	if err != nil {
		log.Error("schema file is refused, the one before stays", "file", c.config.Schema, "error", err)
		return
	}
	s.file = file
	log.Info("schema file was read again", "file", c.config.Schema)
}

func (s *server) reloadAccess(c *call, log *slog.Logger) {
	if c.config.Auth.Access == "" {
		return
	}
	rules, err := c.accessRules(s.clients)
	if err != nil {
		log.Error("rules of access are refused, those before stay", "file", c.config.Auth.Access, "error", err)
		return
	}
	s.proxy.SetAccess(rules)
	log.Info("rules of access were read again", "file", c.config.Auth.Access)
}

// describe has all go by another schema file.
func (s *server) describe(ctx context.Context, c *call, file *schema.File, log *slog.Logger) error {
	if hasSubjects(file) && !s.tags {
		return errors.New("no table had a subject when pgveil started, and now one has: restart pgveil")
	}
	needed, err := c.servedKeys(ctx, s.keys.store, file)
	if err != nil {
		return err
	}
	if err := s.keys.add(ctx, needed); err != nil {
		return err
	}
	s.keys.expect(file)
	for _, database := range file.Databases {
		database.Holds = s.keys.holds
	}
	if err := checkStart(ctx, s.login, file, log); err != nil {
		return err
	}
	err = s.proxy.Reload(file.Databases)
	if err != nil {
		if again := s.proxy.Reload(s.file.Databases); again != nil {
			err = fmt.Errorf("%w; going back: %w", err, again)
		}
	}
	return err
}

func warnOf(file *schema.File, log *slog.Logger) {
	for _, w := range file.Warnings {
		log.Warn("schema file: "+w.Message, "at", fmt.Sprintf("%s:%d:%d", w.File, w.Line, w.Position.Column))
	}
}
