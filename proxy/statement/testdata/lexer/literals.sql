SELECT 'a', 'it''s', '', '''', 'a\b', E'a\'b', E'\\', E'\x41\101\u0041\U00000041', E'\uD83D\uDE00', e'x''y'
----
SELECT 'a'
'b', 'c' -- comment
  -- another
  'd', 'e' 'f', E'a'
'\'b', 'a' /* no */
'b'
----
SELECT 'a' 'b'
----
SELECT U&'d\0061t\+000061', U&"d\0061ta", u&'x' UESCAPE '!', U & 'x', u&
----
SELECT $$a$b$$, $tag$ $$ $tag$, $a$ $b$a$, $é$x$é$, $_1$ 'q' $_1$, foo$$bar, a$1, $1, $22, $$$$
----
SELECT B'0101', b'', X'1F', x'', N'abc', n'a''b', n 'abc', B'1'
'0', e 'x', b 'x'
----
SELECT 1, 1.5, .5, 1., 1e10, 1E-3, 1.5e+3, .5e1, 1..10, 1.5..2, 2147483647, 2147483648, 99999999999999999999
----
SELECT 0x1F, 0XFF, 0o17, 0b101, 1_000, 1_0.2_0e1_0, 0x_1f, 0xFFFFFFFF, 0x7FFFFFFF, 0b_1
----
SELECT a.b.c, "A"."b""c", a . b, "Sélection", é.ç, t.*, (a).b, a[1:2], a[:], a[1][2], :x, a::int::text
----
SELECT 'abc
----
SELECT "abc
----
SELECT /* abc
----
SELECT $$ abc $a$
----
SELECT ""
----
SELECT 1a, 1.5x, 1e, 0x, 0b2, 1_, 1__0, $1a
----
select * from t where a between 'x' and 'y' and b like 'z%' escape '\'
----
SELECT E'\u00', E'\uD800', E'\uDC00x', E'\UFFFFFFFF', E'\x00'
