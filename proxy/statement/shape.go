package statement

import (
	"crypto/sha256"
	"encoding/binary"
)

// Marks of the encoding of a shape. Each token is one byte that says what
// follows; single punctuation stands for itself. Bytes of variable length are
// preceded by their length, so no two sequences of tokens have one encoding.
const (
	markString byte = iota + 1
	markInteger
	markDecimal
	markParam
	markBit
	markUnicode
	markBool
	markBytes   // kind, length, bytes: a constant whose value matters, an operator
	markIdent   // length, identifier in lower case
	markQuoted  // length, identifier as written between its quotes
	markGroup   // the tokens up to markRepeat
	markRepeat  // … are repeated
	markUnknown // a constant or piece of text left out of a fingerprint
)

// Shape returns the key of the plan cache: texts of equal shape have the same
// analysis, token for token of their folded texts (Folded). It is valid until
// the next Lex.
//
// Left out are white space, comments, the case of unquoted identifiers, how
// often a Group repeats, the number of a parameter, and the values of
// constants but for those where the value can change the analysis (see
// classify). TRUE and FALSE as operands count as constants of one class, and
// all numbers that do not fit an int4 as one: a plan must take values and
// their types from the text it is applied to.
func (t *Text) Shape() []byte {
	if !t.shapeSet {
		t.shape = t.appendShape(t.shape[:0], true)
		t.shapeSet = true
	}
	return t.shape
}

// Fingerprint returns a hash of the shape that holds no constant at all: it
// may be logged. It is the first half of a SHA-256.
func (t *Text) Fingerprint() [16]byte {
	var buffer [512]byte
	sum := sha256.Sum256(t.appendShape(buffer[:0], false))
	return [16]byte(sum[:16])
}

// appendShape appends the encoding of the folded tokens. Without constants it
// stops at the first token that cannot be vouched for.
func (t *Text) appendShape(dst []byte, constants bool) []byte {
	t.fold()
	groups := t.folding.groups
	for i := 0; i < len(t.tokens); {
		if !constants && i >= t.vouched {
			return append(dst, markUnknown)
		}
		if len(groups) > 0 && i == int(groups[0].First) {
			g := groups[0]
			groups = groups[1:]
			dst = append(dst, markGroup)
			for ; i < int(g.First+g.Len); i++ {
				if !constants && i >= t.vouched {
					return append(dst, markUnknown)
				}
				dst = t.appendToken(dst, i, constants)
			}
			dst = append(dst, markRepeat)
			i = g.Last() + 1
			continue
		}
		dst = t.appendToken(dst, i, constants)
		i++
	}
	return dst
}

func (t *Text) appendToken(dst []byte, i int, constants bool) []byte {
	k := t.tokens[i]
	class := t.literals[i]
	if !constants && class == byToken {
		class = literalOf(k.Kind)
		if k.Word == WordTrue || k.Word == WordFalse {
			class = boolClass
		}
	}
	if class != byToken {
		return append(dst, byte(class))
	}
	raw := t.sql[k.Start:k.End]
	switch k.Kind {
	case Comma, Semicolon, Dot, Colon, LeftParen, RightParen, LeftBracket, RightBracket:
		return append(dst, raw[0])
	case Ident:
		return appendLower(binary.AppendUvarint(append(dst, markIdent), uint64(len(raw))), raw)
	case QuotedIdent:
		dst = binary.AppendUvarint(append(dst, markQuoted), uint64(len(raw)))
	default:
		dst = binary.AppendUvarint(append(dst, markBytes, byte(k.Kind)), uint64(len(raw)))
	}
	return append(dst, raw...)
}
