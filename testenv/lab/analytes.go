package lab

// Kind tells how an analyte's results look.
type Kind int

// The kinds of analyte.
const (
	// Quantitative results are a value with a reference range.
	Quantitative Kind = iota
	// Index results are positive or negative by an index that counts as
	// positive from 1 on.
	Index
	// Cycles results are positive or negative, and a positive one has the
	// number of PCR cycles.
	Cycles
)

// The outcomes that a result may have.
const (
	Positive      = "positif"
	Negative      = "négatif"
	Indeterminate = "indéterminé"
	Unreadable    = "ininterprétable"
	Normal        = "normal"
	Low           = "bas"
	High          = "élevé"
)

// Analyte is something that the laboratory measures.
type Analyte struct {
	LOINC    string
	Label    string // in French
	Unit     string // UCUM
	Specimen string
	Kind     Kind
	Low      float64 // reference range, for Quantitative
	High     float64
	Decimals int     // of the value
	Positive float64 // share of positive results, for the other kinds
	Weight   int     // how often it is asked for
}

const (
	serum = "sérum"
	blood = "sang total"
	swab  = "écouvillon nasopharyngé"
)

var analytes = []Analyte{
	{"94500-6", "SARS-CoV-2 ARN (RT-PCR)", "{cycles}", swab, Cycles, 0, 0, 1, 0.08, 240},
	{"94558-4", "SARS-CoV-2 antigène (test rapide)", "{index}", swab, Index, 0, 0, 2, 0.05, 400},
	{"56888-1", "VIH 1+2 anticorps et antigène p24", "{index}", serum, Index, 0, 0, 2, 0.003, 30},
	{"5196-1", "Antigène HBs", "{index}", serum, Index, 0, 0, 2, 0.006, 20},
	{"13955-0", "Anticorps anti-VHC", "{index}", serum, Index, 0, 0, 2, 0.005, 20},
	{"24110-9", "Treponema pallidum anticorps", "{index}", serum, Index, 0, 0, 2, 0.012, 15},
	{"20447-9", "VIH 1 charge virale", "{copies}/mL", serum, Quantitative, 0, 50, 0, 0, 4},
	{"14749-6", "Glucose", "mmol/L", serum, Quantitative, 3.9, 6.1, 2, 0, 60},
	{"4548-4", "Hémoglobine glyquée (HbA1c)", "%", blood, Quantitative, 4.0, 6.0, 1, 0, 30},
	{"718-7", "Hémoglobine", "g/dL", blood, Quantitative, 12.0, 17.0, 1, 0, 60},
	{"6690-2", "Leucocytes", "10*9/L", blood, Quantitative, 4.0, 10.0, 2, 0, 50},
	{"777-3", "Plaquettes", "10*9/L", blood, Quantitative, 150, 400, 0, 0, 50},
	{"789-8", "Érythrocytes", "10*12/L", blood, Quantitative, 4.0, 5.9, 2, 0, 40},
	{"14682-9", "Créatinine", "umol/L", serum, Quantitative, 45, 104, 0, 0, 50},
	{"2951-2", "Sodium", "mmol/L", serum, Quantitative, 136, 145, 0, 0, 40},
	{"2823-3", "Potassium", "mmol/L", serum, Quantitative, 3.5, 5.1, 1, 0, 40},
	{"1742-6", "Alanine aminotransférase (ALAT)", "U/L", serum, Quantitative, 7, 45, 0, 0, 40},
	{"1920-8", "Aspartate aminotransférase (ASAT)", "U/L", serum, Quantitative, 8, 40, 0, 0, 40},
	{"2324-2", "Gamma-glutamyltransférase (GGT)", "U/L", serum, Quantitative, 8, 60, 0, 0, 30},
	{"14647-2", "Cholestérol total", "mmol/L", serum, Quantitative, 3.2, 5.2, 2, 0, 40},
	{"14646-4", "Cholestérol HDL", "mmol/L", serum, Quantitative, 1.0, 2.2, 2, 0, 40},
	{"14927-8", "Triglycérides", "mmol/L", serum, Quantitative, 0.4, 1.7, 2, 0, 40},
	{"3016-3", "Thyréostimuline (TSH)", "m[IU]/L", serum, Quantitative, 0.4, 4.0, 3, 0, 40},
	{"1988-5", "Protéine C réactive (CRP)", "mg/L", serum, Quantitative, 0, 5, 1, 0, 50},
	{"2276-4", "Ferritine", "ng/mL", serum, Quantitative, 15, 300, 0, 0, 30},
	{"2857-1", "Antigène prostatique spécifique (PSA)", "ng/mL", serum, Quantitative, 0, 4, 2, 0, 15},
	{"21198-7", "Bêta-hCG", "[IU]/L", serum, Quantitative, 0, 5, 1, 0, 15},
	{"6301-6", "INR", "{INR}", "plasma citraté", Quantitative, 0.8, 1.2, 2, 0, 25},
}

// Analytes returns everything that the laboratory measures. The caller may
// change the slice.
func Analytes() []Analyte { return append([]Analyte(nil), analytes...) }

// weights is the sum of all Weight fields.
var weights = func() int {
	sum := 0
	for _, a := range analytes {
		sum += a.Weight
	}
	return sum
}()

// analyteAt returns the analyte that owns n, 0 <= n < weights.
func analyteAt(n int) Analyte {
	for _, a := range analytes {
		if n -= a.Weight; n < 0 {
			return a
		}
	}
	panic("lab: weight out of range")
}

var comments = []string{
	"Patient asymptomatique, cas contact.",
	"Résultat à confirmer sur un second prélèvement.",
	"Prélèvement hémolysé : à contrôler.",
	"À jeun depuis 12 h.",
	"Traitement en cours : lévothyroxine 75 µg/j.",
	"Grossesse, 1er trimestre.",
	"Contrôle dans 3 mois, d'après le médecin traitant.",
	"Appelé au cabinet : pas de réponse ; message laissé.",
	"Résultat transmis au médecin traitant à 14 h 30.",
	"Sérum lactescent.",
	"Dépistage anonyme demandé, « pas de courrier au domicile ».",
	"Accident d'exposition au sang (AES), agent hospitalier.",
	"Suivi après greffe rénale ; ciclosporine.",
	"Fièvre à 39,5 °C au retour du Sénégal.",
	"Antécédent : hépatite B guérie en 1998.",
	"Première détermination de l'année ; antériorités : néant.",
}

var automates = []string{"Cobas 6000", "Architect i2000SR", "Alinity c", "Sysmex XN-1000", "GeneXpert XVI", "STA R Max"}

var sites = []string{
	"Laboratoire du Vieux-Port", "Laboratoire de l'Étoile", "Laboratoire Saint-Rémi", "Laboratoire des Deux-Rives",
	"Pharmacie de la Gare", "Pharmacie du Marché",
}
