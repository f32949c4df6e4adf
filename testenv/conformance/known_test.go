package conformance

import "regexp"

// knownDifferences are those that cannot be avoided. docs/conformance.md has a heading
// with the cause of each.
var knownDifferences = []*difference{
	{
		name:  "What ANALYZE keeps",
		files: regexp.MustCompile(`create_index|join|json|plpgsql|polymorphism|rowsecurity|stats_ext`),
		shows: regexp.MustCompile(`cannot use relation \\?"pg_catalog.pg_statistic(_ext_data)?\\?"`),
	},
	{
		name:  "Whole schemas as XML",
		files: regexp.MustCompile(`xmlmap`),
		shows: regexp.MustCompile(`cannot (call schema_to_xml(schema|_and_xmlschema)?\(\)|run SELECT here: it may reach a prepared statement)`),
	},
	{
		name:  "Where a column of the catalog comes from",
		files: regexp.MustCompile(`.`),
		shows: regexp.MustCompile(`^RowDescription.* (relchecks|attstorage|attlen|attbyval|attalign|atttypid|atttypmod|attcollation|data_type|udt_name|[a-z]+_precision|numeric_[a-z_]+|character_[a-z_]+):table 0\.0:`),
	},
	{
		name:  "The operator class of an index on a sealed column",
		files: regexp.MustCompile(`opr_sanity`),
		shows: regexp.MustCompile(`patient_nir_key|DataRow × 1`),
	},
	{
		name:  "Numbers of transactions",
		files: regexp.MustCompile(`^pg_regress_t?xid$`),
		shows: regexp.MustCompile(`^DataRow "(\d|aborted|committed|in progress)`),
		rare:  true,
	},
	{
		name:  "Locks of a reading in the session",
		files: regexp.MustCompile(`^(pg_regress_)?alter_table`),
		shows: regexp.MustCompile(`^(DataRow × \d+$|\s*pg_toast_\d+ +\|)`),
		rare:  true,
	},
	{
		name:  "What the server counts",
		files: regexp.MustCompile(`^pg_regress_stats$`),
		shows: regexp.MustCompile(`^DataRow "(\w{3} \w{3} \d\d \d\d:\d\d:\d\d\.….*|\d+|[tf])"$`),
		rare:  true,
	},
	{
		name:  "What runs beside",
		files: regexp.MustCompile(`create_table\.001`),
		shows: regexp.MustCompile(`^CommandComplete "SELECT 1\d\d\\x00"`),
		rare:  true,
	},
}
