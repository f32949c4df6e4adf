package keylife

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

// reader reads what the writers write, in one of many ways each time.
type reader struct {
	client
	writers []*writer
}

func (r *reader) run(ctx context.Context) error {
	defer r.drop()
	for !r.closed.Load() {
		r.gate.RLock()
		err := r.one(ctx)
		r.gate.RUnlock()
		if err != nil {
			return err
		}
		time.Sleep(time.Duration(r.rng.IntN(8)) * time.Millisecond) // of a user
	}
	return nil
}

func (r *reader) one(ctx context.Context) error {
	if err := r.connect(ctx); err != nil {
		return err
	}
	id := r.anybody()
	ways := []struct {
		what string
		do   func(context.Context, int) error
	}{
		{"one patient", r.patient},
		{"some patients", r.some},
		{"patients by number", r.byNumber},
		{"a repeatable read", r.repeatable},
		{"COPY TO", r.copyOut},
		{"counting", r.counting},
		{"a cursor", r.cursor},
	}
	way := ways[r.rng.IntN(len(ways))]
	begun := time.Now()
	err := r.do(ctx, way.what, func(ctx context.Context) error { return way.do(ctx, id) })
	switch {
	case err == nil:
		r.figures.done(kindRead, time.Since(begun))
	case errors.Is(err, errAgain), errors.Is(err, errLost):
		err = nil
	}
	return err
}

// anybody is the id of a patient that is there, or was.
func (r *reader) anybody() int {
	w := r.writers[r.rng.IntN(len(r.writers))]
	r.ledger.mu.Lock()
	defer r.ledger.mu.Unlock()
	n := 0
	for r.ledger.patients[w.first+n] != nil {
		n++
	}
	return w.first + r.rng.IntN(n+1)
}

// check compares what was read of the patients of ids.
func (r *reader) check(found map[int]*state, ids []int, since time.Time) error {
	to := time.Now()
	for id := range found {
		if !slices.Contains(ids, id) {
			return fmt.Errorf("patient %d was not asked for", id)
		}
	}
	var errs []error
	for _, id := range ids {
		errs = append(errs, r.ledger.possible(id, found[id], since, to))
	}
	return errors.Join(errs...)
}

func (r *reader) patient(ctx context.Context, id int) error {
	since := time.Now()
	found, err := r.read(ctx, "p.id = $1", id)
	if err != nil {
		return err
	}
	return r.check(found, []int{id}, since)
}

func span(id int) (ids []int) {
	for n := range 30 {
		ids = append(ids, id+n)
	}
	return ids
}

func (r *reader) some(ctx context.Context, id int) error {
	since := time.Now()
	found, err := r.read(ctx, "p.id BETWEEN $1 AND $2", id, id+29)
	if err != nil {
		return err
	}
	return r.check(found, span(id), since)
}

// byNumber looks patients up by sealed values: by those that they have now or had just before.
func (r *reader) byNumber(ctx context.Context, id int) error {
	wanted := make(map[string]bool)
	for _, id := range []int{id, id + 1} {
		if s := r.ledger.current(id); s != nil {
			wanted[s.nir] = true
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	numbers := slices.Sorted(maps.Keys(wanted))
	since := time.Now()
	found, err := r.read(ctx, "p.nir IN ($1, $2)", numbers[0], numbers[len(numbers)-1])
	if err != nil {
		return err
	}
	for id, s := range found {
		if !wanted[s.nir] {
			return fmt.Errorf("patient %d has another number than was asked for", id)
		}
		delete(wanted, s.nir)
		if err := r.check(map[int]*state{id: s}, []int{id}, since); err != nil {
			return err
		}
	}
	// Who was not found has another number by now, or had when it was read.
	to := time.Now()
	for _, id := range []int{id, id + 1} {
		if found[id] == nil && r.ledger.always(id, wanted, since, to) {
			return fmt.Errorf("patient %d was not found by the number that it had all the time", id)
		}
	}
	return nil
}

// repeatable reads twice in one snapshot, and counts results without a patient.
func (r *reader) repeatable(ctx context.Context, id int) error {
	if _, err := r.conn.Exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); err != nil {
		return err
	}
	since := time.Now()
	first, err := r.read(ctx, "p.id BETWEEN $1 AND $2", id, id+29)
	if err != nil {
		return err
	}
	if err := r.check(first, span(id), since); err != nil {
		return err
	}
	var orphans int
	if err := r.conn.QueryRow(ctx, "SELECT count(*) FROM lab.result r LEFT JOIN lab.patient p ON p.nir = r.patient_nir WHERE p.id IS NULL").Scan(&orphans); err != nil {
		return err
	}
	if orphans > 0 {
		return fmt.Errorf("%d results have no patient", orphans)
	}
	second, err := r.read(ctx, "p.id BETWEEN $1 AND $2", id, id+29)
	if err != nil {
		return err
	}
	if !maps.EqualFunc(first, second, (*state).equal) {
		return errors.New("one snapshot has two states")
	}
	_, err = r.conn.Exec(ctx, "COMMIT")
	return err
}

func (r *reader) copyOut(ctx context.Context, id int) error {
	var out bytes.Buffer
	since := time.Now()
	_, err := r.conn.PgConn().CopyTo(ctx, &out, fmt.Sprintf("COPY (%s WHERE p.id BETWEEN %d AND %d) TO STDOUT (FORMAT csv)", patientsQuery, id, id+29))
	if err != nil {
		return err
	}
	lines, err := csv.NewReader(&out).ReadAll()
	if err != nil {
		return err
	}
	found := make(map[int]*state)
	for _, line := range lines {
		id, err := strconv.Atoi(line[0])
		if err != nil {
			return err
		}
		var result *int64
		if line[3] != "" {
			n, err := strconv.ParseInt(line[3], 10, 64)
			if err != nil {
				return err
			}
			result = &n
		}
		if err := add(found, id, line[1], &line[2], result, &line[4]); err != nil {
			return err
		}
	}
	return r.check(found, span(id), since)
}

// counting groups by a sealed column: it is unique.
func (r *reader) counting(ctx context.Context, id int) error {
	rows, err := r.conn.Query(ctx, "SELECT nir, count(*), count(DISTINCT id) FROM lab.patient WHERE id BETWEEN $1 AND $2 GROUP BY nir", id, id+99)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var nir string
		var n, ids int
		if err := rows.Scan(&nir, &n, &ids); err != nil {
			return err
		}
		if n != 1 || ids != 1 {
			return fmt.Errorf("%q is the number of %d patients", nir, n)
		}
	}
	return rows.Err()
}

func (r *reader) cursor(ctx context.Context, id int) error {
	if _, err := r.conn.Exec(ctx, "BEGIN"); err != nil {
		return err
	}
	since := time.Now()
	declare := fmt.Sprintf("DECLARE c CURSOR FOR %s WHERE p.id BETWEEN %d AND %d", patientsQuery, id, id+29)
	if _, err := r.conn.Exec(ctx, declare); err != nil {
		return err
	}
	to := time.Now() // of its snapshot
	rows, err := r.conn.Query(ctx, "FETCH ALL c", pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		return err
	}
	found, err := patients(rows)
	if err != nil {
		return err
	}
	for _, id := range span(id) {
		if err := r.ledger.possible(id, found[id], since, to); err != nil {
			return err
		}
	}
	_, err = r.conn.Exec(ctx, "COMMIT")
	return err
}
