package logical

import (
	"fmt"
	"strconv"
	"strings"
)

// Limits of type modifiers. Source: PostgreSQL, htup_details.h (MaxAttrSize),
// numeric.h and timestamp.h.
const (
	maxCharLength   = 10485760
	maxPrecision    = 1000
	maxTimePrec     = 6
	maxFloat4Bits   = 24
	maxFloat8Bits   = 53
	supportedString = "text, varchar(n), char(n), smallint, integer, bigint, numeric(p,s), real, double precision, boolean, date, timestamp, timestamptz, uuid, jsonb, bytea"
)

// plainNames are the names of pg_type, which may also follow "pg_catalog.".
var plainNames = map[string]Kind{
	"text": Text, "varchar": Varchar, "bpchar": Bpchar, "int2": Int2, "int4": Int4, "int8": Int8,
	"numeric": Numeric, "float4": Float4, "float8": Float8, "bool": Bool, "date": Date,
	"timestamp": Timestamp, "timestamptz": Timestamptz, "uuid": UUID, "jsonb": JSONB, "bytea": Bytea,
}

// sqlNames are the spellings of the SQL grammar, with single blanks.
var sqlNames = map[string]Kind{
	"character varying": Varchar, "char varying": Varchar, "national character varying": Varchar,
	"national char varying": Varchar, "nchar varying": Varchar,
	"character": Bpchar, "char": Bpchar, "national character": Bpchar, "national char": Bpchar, "nchar": Bpchar,
	"smallint": Int2, "int": Int4, "integer": Int4, "bigint": Int8,
	"decimal": Numeric, "dec": Numeric, "real": Float4, "double precision": Float8, "boolean": Bool,
	"timestamp without time zone": Timestamp, "timestamp with time zone": Timestamptz,
}

// ParseType reads a type as PostgreSQL's grammar spells it: "varchar(15)", "character varying(15)",
// "int", "float(24)", "decimal(10,3)", "timestamp(3) with time zone", "pg_catalog.int4".
// Case and blanks do not matter. The error is for the author of a schema file.
func ParseType(s string) (Type, error) {
	name, mods, hasMods, err := splitType(s)
	if err != nil {
		return Type{}, err
	}
	bare, qualified := strings.CutPrefix(name, "pg_catalog.")
	kind, ok := plainNames[bare]
	sqlName := false
	if !ok && !qualified {
		if name == "float" {
			return floatType(s, mods, hasMods)
		}
		kind, sqlName = sqlNames[name]
		ok = sqlName
	}
	if !ok {
		return Type{}, fmt.Errorf("type %q is not one that can be sealed; these are: %s", s, supportedString)
	}
	t := Type{Kind: kind, Typmod: -1}
	switch kind {
	case Varchar, Bpchar:
		return charType(t, name, sqlName, mods, hasMods)
	case Numeric:
		return numericType(t, mods, hasMods)
	case Timestamp, Timestamptz:
		if !hasMods {
			return t, nil
		}
		if len(mods) != 1 || mods[0] < 0 {
			return Type{}, fmt.Errorf("type %q: the precision of a timestamp is one number from 0 to 6", s)
		}
		// The server warns and reduces as well.
		t.Typmod = int32(min(mods[0], maxTimePrec))
		return t, nil
	}
	if hasMods {
		return Type{}, fmt.Errorf("type modifier is not allowed for type %q", name)
	}
	return t, nil
}

func charType(t Type, name string, sqlName bool, mods []int, hasMods bool) (Type, error) {
	if !hasMods {
		if t.Kind == Bpchar && sqlName { // "char" is char(1), "bpchar" has no length
			t.Typmod = varHeader + 1
		}
		return t, nil
	}
	switch {
	case len(mods) != 1:
		return Type{}, fmt.Errorf("type %q takes one length", name)
	case mods[0] < 1:
		return Type{}, fmt.Errorf("length for type %s must be at least 1", name)
	case mods[0] > maxCharLength:
		return Type{}, fmt.Errorf("length for type %s cannot exceed %d", name, maxCharLength)
	}
	t.Typmod = int32(mods[0]) + varHeader
	return t, nil
}

func numericType(t Type, mods []int, hasMods bool) (Type, error) {
	if !hasMods {
		return t, nil
	}
	if len(mods) < 1 || len(mods) > 2 {
		return Type{}, fmt.Errorf("invalid NUMERIC type modifier: it is numeric(precision) or numeric(precision, scale)")
	}
	p, s := mods[0], 0
	if len(mods) == 2 {
		s = mods[1]
	}
	if p < 1 || p > maxPrecision {
		return Type{}, fmt.Errorf("NUMERIC precision %d must be between 1 and %d", p, maxPrecision)
	}
	if s < -maxPrecision || s > maxPrecision {
		return Type{}, fmt.Errorf("NUMERIC scale %d must be between %d and %d", s, -maxPrecision, maxPrecision)
	}
	t.Typmod = int32(p<<16|s&0x7ff) + varHeader
	return t, nil
}

// floatType is float(p), p in bits of the mantissa.
func floatType(s string, mods []int, hasMods bool) (Type, error) {
	t := Type{Kind: Float8, Typmod: -1}
	if !hasMods {
		return t, nil
	}
	switch {
	case len(mods) != 1:
		return Type{}, fmt.Errorf("type %q: float takes one precision", s)
	case mods[0] < 1:
		return Type{}, fmt.Errorf("precision for type float must be at least 1 bit")
	case mods[0] > maxFloat8Bits:
		return Type{}, fmt.Errorf("precision for type float must be less than %d bits", maxFloat8Bits+1)
	case mods[0] <= maxFloat4Bits:
		t.Kind = Float4
	}
	return t, nil
}

// splitType takes the modifiers out: "Timestamp (3) with  time zone" gives
// "timestamp with time zone" and [3].
func splitType(s string) (name string, mods []int, hasMods bool, err error) {
	rest := strings.ToLower(s)
	before, after, found := strings.Cut(rest, "(")
	if found {
		inside, suffix, closed := strings.Cut(after, ")")
		if !closed {
			return "", nil, false, fmt.Errorf("type %q: the closing parenthesis is missing", s)
		}
		for _, m := range strings.Split(inside, ",") {
			n, err := strconv.ParseInt(strings.TrimSpace(m), 10, 32)
			if err != nil {
				return "", nil, false, fmt.Errorf("type %q: %q is not a number", s, strings.TrimSpace(m))
			}
			mods = append(mods, int(n))
		}
		// Only "timestamp(p) with[out] time zone" goes on after its modifier.
		suffix = strings.Join(strings.Fields(suffix), " ")
		if suffix != "" && (strings.TrimSpace(before) != "timestamp" || suffix != "with time zone" && suffix != "without time zone") {
			return "", nil, false, fmt.Errorf("type %q: %q is unexpected after the parenthesis", s, suffix)
		}
		name = strings.Join(strings.Fields(before+" "+suffix), " ")
		if strings.Contains(name, " time zone") && suffix == "" {
			return "", nil, false, fmt.Errorf("type %q: the precision belongs after \"timestamp\"", s)
		}
		return name, mods, true, nil
	}
	return strings.Join(strings.Fields(rest), " "), nil, false, nil
}
