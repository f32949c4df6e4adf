// Package keys holds pgveil's keys and what is sealed with them: the format of
// a sealed value, the keyrings that seal and open, and the stores that keep
// keysets.
//
// A named key is a Tink keyset of one type: [TypeRandomized] and
// [TypeDeterministic] for columns, [TypePseudonym] for pseudonyms, [TypeMAC] and [TypeSignature] for the audit
// log. A [Store] keeps keysets: [VaultStore] in Vault KV version 2, encrypted by
// a Vault Transit key (the KEK), and [LocalStore] in the clear, for development.
// A store opens a keyset into a [Keyring], which is kept in memory; no store is
// asked again for a value.
//
// # Sealed values
//
// Version 1, stored in a bytea column:
//
//	offset  bytes
//	0       2     magic, FE 9D
//	2       1     version (high half, 1) and mode (low half: 1 randomized, 2 deterministic)
//	3       4     context tag: the first four bytes of SHA-256 of the context name
//	7       5     Tink's prefix: 01 and the key id, big endian
//	12      …     randomized: nonce (12), AES-256-GCM ciphertext, tag (16)
//	              deterministic: synthetic IV (16), AES-SIV ciphertext
//
// The first seven bytes are the header, the same for every value of a column.
// The associated data is the header followed by the context name. The plaintext
// is the value, the byte 80, and as many bytes 00 as the column's padding wants.
//
// FE appears nowhere in UTF-8, so no text in a database of that encoding begins
// like a sealed value. The second byte is a control character in ISO 8859,
// unassigned in Windows-1252 and no trail byte after FE in the East Asian
// encodings that PostgreSQL stores, and the two are no byte order mark.
//
// Random nonces of 96 bits bound what one AES-GCM key may seal to 2³² values
// (NIST SP 800-38D, section 8.3); a keyset is rotated before that.
//
// # Pseudonyms
//
// A project's keyset has one key of HKDF-SHA-256. From it comes a key for each epoch, domain of values
// and format of pseudonyms, with which a [Pseudonymizer] makes them: AES-SIV for texts, AES-256 on one
// block for UUIDs, FF1 (NIST SP 800-38G) with AES-256 for NIRs, and the days by which dates are shifted from
// a MAC of their subject.
package keys
