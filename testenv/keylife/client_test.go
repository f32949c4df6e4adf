package keylife

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// statementBound is how long a statement may take on a busy machine, with locks and a server
// that starts again; what takes longer hangs.
const statementBound = time.Minute

// client is one of an application, with one connection at a time.
type client struct {
	*life
	name string
	rng  *rand.Rand
	mode pgx.QueryExecMode
	conn *pgx.Conn
	app  string // application_name of the connection
	made int    // connections
}

// errLost says that the connection died, by a kill.
var errLost = errors.New("connection lost")

// errAgain says that the server asked to try again; the transaction is over.
var errAgain = errors.New("to be tried again")

// connect connects to one of the proxies, unless it is connected.
func (c *client) connect(ctx context.Context) error {
	if c.conn != nil {
		return nil
	}
	for end := time.Now().Add(startBound); ; {
		proxy := c.proxies[c.rng.IntN(len(c.proxies))]
		c.made++
		c.app = fmt.Sprintf("%s-%d", c.name, c.made)
		config, err := pgx.ParseConfig((&url.URL{
			Scheme: "postgres", User: url.UserPassword("app", password), Host: fmt.Sprintf("127.0.0.1:%d", proxy.port),
			Path: "/" + database, RawQuery: url.Values{"sslmode": {"disable"}, "application_name": {c.app}}.Encode(),
		}).String())
		if err != nil {
			return err
		}
		config.DefaultQueryExecMode = c.mode
		try, cancel := context.WithTimeout(ctx, statementBound)
		conn, err := pgx.ConnectConfig(try, config)
		hangs := try.Err() != nil && ctx.Err() == nil
		cancel()
		if err == nil {
			c.conn = conn
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if hangs || time.Now().After(end) {
			return fmt.Errorf("connecting to %s hangs: %w", proxy.name, err)
		}
		if err := c.judge(err); err != nil && !errors.Is(err, errLost) {
			return fmt.Errorf("connecting to %s: %w", proxy.name, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// drop ends the connection.
func (c *client) drop() {
	if c.conn != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = c.conn.Close(ctx)
		c.conn = nil
	}
}

// judge gives errAgain or errLost for an error that a client has to bear, else the error.
func (c *client) judge(err error) error {
	var told *pgconn.PgError
	switch {
	case errors.As(err, &told):
		if told.Code == "40001" || told.Code == "55P03" {
			c.figures.failed(told.Code)
			return errAgain
		}
		// 57P01 to 57P03 and class 08 are what a server that ends or starts says.
		if c.cutOff.recently() && (strings.HasPrefix(told.Code, "57P0") || strings.HasPrefix(told.Code, "08")) {
			c.figures.failed("lost connection")
			return errLost
		}
		return fmt.Errorf("%w\ndetail: %s\nhint: %s\nwhere: %s", err, told.Detail, told.Hint, told.Where)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("hangs, more than %v: %w", statementBound, err)
	case c.cutOff.recently() && (c.conn == nil || c.conn.IsClosed()):
		c.figures.failed("lost connection")
		return errLost
	}
	return err
}

// do runs f, which sends statements, and judges its error. The connection is ready for the
// next transaction afterwards, or dropped.
func (c *client) do(ctx context.Context, what string, f func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, statementBound)
	defer cancel()
	err := f(ctx)
	if err == nil {
		return nil
	}
	if judged := c.judge(err); judged != nil {
		err = judged
	}
	if !errors.Is(err, errAgain) {
		c.drop()
		if errors.Is(err, errLost) {
			return err
		}
		return fmt.Errorf("%s, %s (%v): %w", c.app, what, c.mode, err)
	}
	if c.conn.PgConn().TxStatus() != 'I' {
		if _, rolled := c.conn.Exec(ctx, "ROLLBACK"); rolled != nil {
			judged := c.judge(rolled)
			c.drop()
			if !errors.Is(judged, errLost) {
				return fmt.Errorf("%s, ROLLBACK after %s: %w", c.app, what, judged)
			}
		}
	}
	return err
}

// patientsQuery reads whole patients, in one snapshot, over a join of sealed columns.
const patientsQuery = `SELECT p.id, p.nir, p.name, r.id, r.outcome FROM lab.patient p LEFT JOIN lab.result r ON r.patient_nir = p.nir`

// patients collects the rows of patientsQuery.
func patients(rows pgx.Rows) (map[int]*state, error) {
	found := make(map[int]*state)
	defer rows.Close()
	for rows.Next() {
		var id int
		var nir string
		var name, outcome *string
		var result *int64
		if err := rows.Scan(&id, &nir, &name, &result, &outcome); err != nil {
			return nil, err
		}
		if err := add(found, id, nir, name, result, outcome); err != nil {
			return nil, err
		}
	}
	return found, rows.Err()
}

func add(found map[int]*state, id int, nir string, name *string, result *int64, outcome *string) error {
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	s := found[id]
	if s == nil {
		s = &state{nir: nir, name: text(name), results: make(map[int64]string)}
		found[id] = s
	}
	if s.nir != nir || s.name != text(name) {
		return fmt.Errorf("patient %d has two names or numbers in one snapshot", id)
	}
	if result != nil {
		if _, twice := s.results[*result]; twice {
			return fmt.Errorf("result %d twice in one snapshot", *result)
		}
		s.results[*result] = text(outcome)
	}
	return nil
}

// read reads patients by a condition.
func (c *client) read(ctx context.Context, condition string, args ...any) (map[int]*state, error) {
	rows, err := c.conn.Query(ctx, patientsQuery+" WHERE "+condition, args...)
	if err != nil {
		return nil, err
	}
	return patients(rows)
}
