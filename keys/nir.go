package keys

// A NIR (numéro d'inscription au répertoire, the French social security number) is
//
//	S YY MM DD CCC OOO [KK]
//
// sex, year and month of birth, department (2A and 2B in Corsica), commune or country, order, and
// a key of two digits: 97 less the 13 others modulo 97, with 2A read as 19 and 2B as 18. The values that
// it takes, by the INSEE's description of the répertoire (décret 82-103, article 4) and by what the health
// insurance adds:
//
//	S   1, 2; 3, 4, 7 and 8 while somebody is being registered
//	MM  01 to 12; 20, 30 to 42 and 50 to 99 where the month is not known, or the numbers of one are used up
//
// So no one's NIR begins with 0, 5, 6 or 9 (which stood for other statuses from 1941 to 1944, were
// withdrawn, and are nobody's today), and none has a month of 13 to 19 or 43 to 49. The numbers
// with one or the other are the space of pseudonyms: they have the form and the key of a NIR, and can be
// nobody's. There are more of them than NIRs, so that each NIR has one of its own:
//
//	NIRs        6 · 100 · 76 · 102 000 · 1000 = 4 651 200 000 000
//	pseudonyms  (4·100 + 6·14) · 100 · 100 000 · 1000 = 4 840 000 000 000
//
// A NIR's pseudonym is the number of its rank, encrypted. The rank is encrypted by FF1 over numbers of 13 decimal
// digits, again and again until it is below the number of pseudonyms ("cycle walking", which
// keeps a permutation a permutation; 2.07 times on average).
const (
	nirDigits  = 13
	nirYears   = 100
	nirSexes   = "123478"
	nirPlaces  = 102_000 // departments 00 to 99, 2A and 2B, of 1000 communes
	nirOrders  = 1000
	nirMonths  = 76
	nirCount   = uint64(len(nirSexes)) * nirYears * nirMonths * nirPlaces * nirOrders
	fakePlaces = 100_000
	fakeBegins = 484 // pairs of S and MM
	fakeCount  = uint64(fakeBegins) * nirYears * fakePlaces * nirOrders
)

// The months that a NIR has and the begins (S·100 + MM) of pseudonyms, each with its rank; -1
// for what is none.
var (
	monthRank [100]int
	monthOf   [nirMonths]int
	fakeRank  [1000]int
	fakeOf    [fakeBegins]int
)

func init() {
	months, begins := 0, 0
	for month := range 100 {
		monthRank[month] = -1
		if 1 <= month && month <= 12 || month == 20 || 30 <= month && month <= 42 || month >= 50 {
			monthRank[month], monthOf[months] = months, month
			months++
		}
	}
	for begin := range 1000 {
		sex, month := begin/100, begin%100
		gap := 13 <= month && month <= 19 || 43 <= month && month <= 49
		fakeRank[begin] = -1
		if sex == 0 || sex == 5 || sex == 6 || sex == 9 || gap {
			fakeRank[begin], fakeOf[begins] = begins, begin
			begins++
		}
	}
}

// rankNIR gives the rank among NIRs of a text of 13 characters, or of 15 with the right key.
func rankNIR(text []byte) (uint64, bool) {
	n, corsica, ok := readNIR(text)
	if !ok {
		return 0, false
	}
	sex, year, month, place, order := splitNIR(n)
	at := -1
	for i := range nirSexes {
		if uint64(nirSexes[i]-'0') == sex {
			at = i
		}
	}
	if at < 0 || monthRank[month] < 0 {
		return 0, false
	}
	if corsica > 0 { // 2A and 2B come behind the others
		place = uint64(99+corsica)*1000 + place%1000
	}
	rank := uint64(at)*nirYears + year
	rank = rank*nirMonths + uint64(monthRank[month])
	return (rank*nirPlaces+place)*nirOrders + order, true
}

// appendNIR appends the NIR of a rank, with its key if it is to have one.
func appendNIR(dst []byte, rank uint64, key bool) []byte {
	order, rank := rank%nirOrders, rank/nirOrders
	place, rank := rank%nirPlaces, rank/nirPlaces
	month, rank := monthOf[rank%nirMonths], rank/nirMonths
	year, sex := rank%nirYears, uint64(nirSexes[rank/nirYears]-'0')
	corsica := 0
	if place >= 100_000 {
		corsica, place = int(place/1000)-99, 20_000+place%1000
	}
	return writeNIR(dst, joinNIR(sex, year, uint64(month), place, order), corsica, key)
}

// rankFake gives the rank among pseudonyms of a text of 13 characters, or of 15 with the
// right key.
func rankFake(text []byte) (uint64, bool) {
	n, corsica, ok := readNIR(text)
	if !ok || corsica > 0 {
		return 0, false
	}
	sex, year, month, place, order := splitNIR(n)
	at := fakeRank[sex*100+month]
	if at < 0 {
		return 0, false
	}
	return ((uint64(at)*nirYears+year)*fakePlaces+place)*nirOrders + order, true
}

// appendFake appends the pseudonym of a rank.
func appendFake(dst []byte, rank uint64, key bool) []byte {
	order, rank := rank%nirOrders, rank/nirOrders
	place, rank := rank%fakePlaces, rank/fakePlaces
	year, begin := rank%nirYears, uint64(fakeOf[rank/nirYears])
	return writeNIR(dst, joinNIR(begin/100, year, begin%100, place, order), 0, key)
}

func splitNIR(n uint64) (sex, year, month, place, order uint64) {
	return n / 1e12, n / 1e10 % 100, n / 1e8 % 100, n / 1000 % 100_000, n % 1000
}

func joinNIR(sex, year, month, place, order uint64) uint64 {
	return (((sex*100+year)*100+month)*100_000+place)*1000 + order
}

// corsican is what is taken from the number in whose department a letter is read as 0: 2A is
// read as 19 and 2B as 18.
var corsican = [3]uint64{0, 1_000_000, 2_000_000}

// readNIR gives the 13 digits of a number, and 1 or 2 where the department is 2A or 2B, which
// is then 20 in it.
func readNIR(text []byte) (n uint64, corsica int, ok bool) {
	if len(text) != nirDigits && len(text) != nirDigits+2 {
		return 0, 0, false
	}
	for i, c := range text[:nirDigits] {
		switch {
		case '0' <= c && c <= '9':
		case i == 6 && text[5] == '2' && (c == 'A' || c == 'B'):
			corsica, c = int(c-'A')+1, '0'
		default:
			return 0, 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	if len(text) > nirDigits {
		key := nirKey(n, corsica)
		return n, corsica, text[13] == '0'+byte(key/10) && text[14] == '0'+byte(key%10)
	}
	return n, corsica, true
}

func nirKey(n uint64, corsica int) uint64 { return 97 - (n-corsican[corsica])%97 }

func writeNIR(dst []byte, n uint64, corsica int, key bool) []byte {
	start := len(dst)
	for unit := uint64(1e12); unit > 0; unit /= 10 {
		dst = append(dst, '0'+byte(n/unit%10))
	}
	if corsica > 0 {
		dst[start+6] = 'A' + byte(corsica-1)
	}
	if key {
		k := nirKey(n, corsica)
		dst = append(dst, '0'+byte(k/10), '0'+byte(k%10))
	}
	return dst
}
