SELECT a+b, a-b, a*b, a/b, a%b, a^b, a<b, a>b, a=b, a<=b, a>=b, a<>b, a!=b, a=>b, a:=b, a||b
----
SELECT a=-1, a=+-1, a*-1, a@-1, a?-b, a+-+-b, a<-1, a->-1, a~-b, a@@-b, - - 1, -+-+1, a &&-b
----
SELECT a->b, a->>b, a#>b, a#>>b, a@>b, a<@b, a?b, a?|b, a?&b, a@?b, a@@b, a||b, a-b, a#-b, !!a, |/a, ||/a, @a, ~a
----
SELECT a+--comment
b, a-/*c*/b, a*/*c*/b, a<>--x
-1, a@/*c*/@b
----
SELECT a /* x /* nested */ y */ + b, /**/1, /***/2, /*/**/*/3, /*//**/*/4
----
SELECT /* -- */ 1 -- /* x
, 2
----
SELECT a !=-1, a <>-1, a >=-1, a =>-1, a ==b, a =<b, a ===b, a =>>b, a <=>b, a !==b
----
SELECT ~!@#^&|`?+ 1
----
SELECT a *+-+-+-+- b, a@+-+-+-b
----
SELECT {ts '2020-01-01'}, \d, \
----
SELECT @@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@ 1
----
a:::b ::::c :=:=d :::=e ...f ..g .h
