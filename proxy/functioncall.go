package proxy

import (
	"github.com/pgveil/pgveil/proxy/pipeline"
	"github.com/pgveil/pgveil/proxy/wire"
	"github.com/pgveil/pgveil/schema/pgerror"
)

// firstOtherFunction is the first OID that a function of pg_catalog cannot have:
// FirstUnpinnedObjectId of access/transam.h.
const firstOtherFunction = 12000

// readingFunctions are those of pg_catalog that run SQL, read tables or portals
// given by name, or change the session, by their OIDs in pg_proc.dat, which never
// change: set_config, table_to_xml and its kin, ts_rewrite and ts_stat.
var readingFunctions = map[uint32]bool{
	2078: true,
	2923: true, 2924: true, 2925: true, 2926: true, 2927: true, 2928: true, 2929: true, 2930: true,
	2933: true, 2934: true, 2935: true, 2936: true, 2937: true, 2938: true,
	3685: true, 3689: true, 3690: true,
}

// functionCall lets functions of pg_catalog pass, which large objects need, but for
// those that may reach a tagged table; functions of users may run anything.
func (c *conn) functionCall(body []byte) error {
	m, err := wire.DecodeFunctionCall(body)
	if err != nil {
		return err
	}
	if m.OID >= firstOtherFunction || readingFunctions[m.OID] {
		return pgerror.New(pgerror.FeatureNotSupported, "a fast-path call of function %d is not allowed: it may read tables or change the session", m.OID).
			WithHint("Call it by SELECT.")
	}
	return c.forward(pipeline.FunctionCall, nil)
}
