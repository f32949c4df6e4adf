package lab

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// NIRKey computes the two-digit key of a French social security number (NIR)
// from its first 13 characters: 97 less the number modulo 97. In the numbers of
// people born in Corsica since 1976 the department 2A counts as 19 and 2B as 18.
func NIRKey(base string) (string, error) {
	if len(base) != 13 {
		return "", errors.New("a NIR has 13 characters before its key")
	}
	digits := base
	switch base[5:7] {
	case "2A":
		digits = base[:5] + "19" + base[7:]
	case "2B":
		digits = base[:5] + "18" + base[7:]
	}
	if strings.Trim(digits, "0123456789") != "" {
		return "", errors.New("a NIR has digits only, but for 2A and 2B as the department")
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%02d", 97-n%97), nil
}

// ValidNIR reports whether a NIR of 15 characters has the right key.
func ValidNIR(nir string) bool {
	if len(nir) != 15 {
		return false
	}
	key, err := NIRKey(nir[:13])
	return err == nil && key == nir[13:]
}

// The last eight characters of a NIR's base are the place of birth, where
// mainland departments have two characters and a commune of three digits, and
// the order of the birth there, three digits.
const (
	orders   = 999
	communes = 989
	// birthplaces is the number of distinct pairs of commune and order.
	birthplaces = orders * communes
	// elsewhere is the commune from which on the numbers stand for the places
	// of abroad.
	elsewhere = communes - len(abroad)
	// stride spreads successive patients; it has no factor in common with
	// birthplaces.
	stride = 611953
)

// abroad holds places of birth outside the mainland's scheme: overseas
// departments with a commune of two digits, and 99 with a country's code.
var abroad = [...]string{
	"97105", "97120", "97209", "97213", "97302", "97307", "97411", "97415", "97416", "97608", "97611",
	"99100", "99109", "99127", "99132", "99134", "99139", "99208", "99243", "99322", "99326",
	"99335", "99341", "99350", "99351", "99352", "99401", "99404", "99416",
}

// place returns commune and order number of patient n, different for each of
// the first birthplaces patients.
func place(seed uint64, n int64) (commune, order int) {
	at := (uint64(n)%birthplaces*stride + seed%birthplaces) % birthplaces
	return 1 + int(at/orders), 1 + int(at%orders)
}

// nir makes the number of patient n. The first 988,011 patients of a laboratory have
// different ones.
func nir(seed uint64, n int64, female bool, year, month int, department string) string {
	sex := 1
	if female {
		sex = 2
	}
	commune, order := place(seed, n)
	where := fmt.Sprintf("%s%03d", department, commune)
	if commune > elsewhere {
		where = abroad[commune-elsewhere-1]
	}
	base := fmt.Sprintf("%d%02d%02d%s%03d", sex, year%100, month, where, order)
	key, err := NIRKey(base)
	if err != nil {
		panic("lab: " + err.Error()) // a department that is not in the list
	}
	return base + key
}
