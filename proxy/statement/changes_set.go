package statement

// calmSettings are settings in common use that change neither what names and texts
// mean, nor whose rights count, nor how values are written.
// Source: PostgreSQL manual, chapter 20, "Server Configuration".
var calmSettings = map[string]bool{
	"application_name": true, "check_function_bodies": true, "client_min_messages": true, "constraint_exclusion": true,
	"cpu_tuple_cost": true, "cursor_tuple_fraction": true, "deadlock_timeout": true, "default_tablespace": true,
	"default_text_search_config": true, "default_transaction_deferrable": true, "default_transaction_isolation": true,
	"default_transaction_read_only": true, "effective_cache_size": true, "effective_io_concurrency": true,
	"enable_bitmapscan": true, "enable_hashagg": true, "enable_hashjoin": true, "enable_indexonlyscan": true,
	"enable_indexscan": true, "enable_material": true, "enable_memoize": true, "enable_mergejoin": true,
	"enable_nestloop": true, "enable_parallel_append": true, "enable_parallel_hash": true,
	"enable_partition_pruning": true, "enable_seqscan": true, "enable_sort": true, "enable_tidscan": true,
	"force_parallel_mode": true, "from_collapse_limit": true, "geqo": true, "gin_fuzzy_search_limit": true, "hash_mem_multiplier": true,
	"idle_in_transaction_session_timeout": true, "idle_session_timeout": true, "jit": true, "join_collapse_limit": true,
	"lock_timeout": true, "log_min_duration_statement": true, "log_statement": true, "maintenance_work_mem": true,
	"max_parallel_workers": true, "max_parallel_workers_per_gather": true, "min_parallel_table_scan_size": true,
	"parallel_setup_cost": true, "parallel_tuple_cost": true, "plan_cache_mode": true, "random_page_cost": true,
	"row_security": true, "seq_page_cost": true, "statement_timeout": true, "synchronous_commit": true,
	"tcp_keepalives_idle": true, "temp_buffers": true, "transaction_deferrable": true, "transaction_isolation": true,
	"transaction_read_only": true, "vacuum_cost_delay": true, "work_mem": true,
}

// setsCalm reports whether a SET or RESET changes nothing that pgveil must know of the
// session: a setting of that list, one of an extension or application, which has a dot
// in its name, or properties of the transaction. pgveil's own are not among them.
func (t *Text) setsCalm(c *Command) bool {
	i := c.First + 1
	switch t.Word(i) {
	case WordLocal, WordSession:
		if next := t.Token(i + 1).Kind; next == Ident {
			i++
		}
	}
	if t.Word(i) == WordTransaction {
		return true
	}
	if i >= c.Last || t.tokens[i].Kind != Ident {
		return false
	}
	if t.Token(i+1).Kind == Dot {
		t.scratch = t.AppendIdent(t.scratch[:0], i)
		return i+3 <= c.Last && t.tokens[i+2].Kind == Ident && string(t.scratch) != "pgveil"
	}
	t.scratch = t.AppendIdent(t.scratch[:0], i)
	if !calmSettings[string(t.scratch)] {
		return false
	}
	return i+1 == c.Last || t.Word(i+1) == WordTo || string(t.Bytes(i+1)) == "="
}
