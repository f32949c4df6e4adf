package proxy

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pgveil/pgveil/schema"
)

// aged reports whether the catalog could not be compared for so long that a job may since have
// begun to change how columns are stored, and be about to swap them: schema apply waits for
// three such intervals in between.
func (t *tracked) aged() bool {
	return time.Since(time.Unix(0, t.compared.Load())) > 2*t.config.Refresh
}

// renew compares the catalog if that has not been done for long. Where pgveil's login cannot,
// the session itself is asked whether a job is changing columns, or has; what is known then
// serves on unless one is.
func (c *conn) renew() error {
	if !c.tracked.aged() {
		return nil
	}
	if time.Since(c.blocked) >= stillBlocked {
		ctx, cancel := context.WithTimeout(c.ctx, patience)
		defer cancel()
		err := c.tracked.refresh(ctx, time.Now().Add(-c.tracked.config.Refresh))
		if err == nil {
			return nil
		}
		c.blocked = time.Now()
		c.config.Log.Warn("catalog cannot be compared", "database", c.tracked.name, "error", err)
	}
	known := c.tracked.current.Load()
	if known == nil {
		return nil // nothing is planned
	}
	p, err := c.askSession(changesSQL(known.catalog))
	if err != nil {
		return err
	}
	if len(p.values) == 2 && p.text(0) == "f" && p.text(1) == strconv.FormatInt(known.catalog.Epoch(), 10) {
		return nil
	}
	return errMoved("columns are being stored otherwise, and pgveil could not read the catalog in time")
}

// changesSQL asks whether a job is changing tables of a catalog, and how many changes were
// made. It waits for no lock on a table.
func changesSQL(catalog *schema.Catalog) string {
	var oids []string
	for _, r := range catalog.Reaching() {
		oids = append(oids, strconv.FormatUint(uint64(r.OID), 10))
	}
	return fmt.Sprintf(`SELECT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid OPERATOR(pg_catalog.=) ANY ('{%s}'::pg_catalog.oid[])`+
		` AND pg_catalog.starts_with(a.attname::pg_catalog.text, '%s') AND NOT a.attisdropped) OR `+schema.Announced+`,`+
		` coalesce((SELECT pg_catalog.pg_sequence_last_value(s.oid::pg_catalog.regclass) FROM pg_catalog.pg_class s WHERE s.relname OPERATOR(pg_catalog.=) 'epoch_seq'`+
		` AND s.relnamespace OPERATOR(pg_catalog.=) (SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname OPERATOR(pg_catalog.=) 'pgveil')), 0)`,
		strings.Join(oids, ","), schema.ShadowPrefix)
}
