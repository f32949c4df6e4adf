package lab

var lastNames = []string{
	"Martin", "Bernard", "Thomas", "Petit", "Robert", "Richard", "Durand", "Dubois", "Moreau", "Laurent",
	"Simon", "Michel", "Lefebvre", "Lefèvre", "Leroy", "Roux", "David", "Bertrand", "Morel", "Fournier",
	"Girard", "Bonnet", "Dupont", "Lambert", "Fontaine", "Rousseau", "Vincent", "Müller", "Faure", "André",
	"Mercier", "Blanc", "Guérin", "Boyer", "Garnier", "Chevalier", "François", "Legrand", "Gauthier", "Garcia",
	"Perrin", "Robin", "Clément", "Morin", "Nicolas", "Henry", "Roussel", "Mathieu", "Gautier", "Masson",
	"Marchand", "Duval", "Denis", "Dumont", "Marie", "Lemaire", "Noël", "Meyer", "Dufour", "Meunier",
	"Brun", "Blanchard", "Giraud", "Joly", "Rivière", "Lucas", "Brunet", "Gaillard", "Barbier", "Arnaud",
	"Martinez", "Gérard", "Roche", "Renard", "Schmitt", "Roy", "Le Roux", "Colin", "Vidal", "Caron",
	"Picard", "Roger", "Fabre", "Aubert", "Lemoine", "Renaud", "Dumas", "Lacroix", "Olivier", "Philippe",
	"Bourgeois", "Pierre", "Benoît", "Rey", "Leclerc", "Payet", "Rolland", "Leclercq", "Guillaume", "Lecomte",
	"N'Diaye", "Traoré", "Benali", "Nguyễn", "Da Silva", "D'Angelo", "Le Goff", "Kowalski", "Haddad", "Santini",
	"Paoli", "Étienne", "Œuvrard", "L'Hermitte", "Bouçanel", "Saïdi", "Château", "Hélias", "Ibáñez", "Zapata",
}

var femaleNames = []string{
	"Marie", "Jeanne", "Françoise", "Monique", "Catherine", "Nathalie", "Isabelle", "Jacqueline", "Anne", "Sylvie",
	"Martine", "Madeleine", "Nicole", "Suzanne", "Hélène", "Christine", "Marguerite", "Denise", "Louise", "Christiane",
	"Valérie", "Sophie", "Sandrine", "Stéphanie", "Véronique", "Céline", "Chantal", "Aurélie", "Émilie", "Julie",
	"Léa", "Chloé", "Manon", "Camille", "Inès", "Zoé", "Maëlys", "Anaïs", "Noémie", "Aïcha",
	"Fatima", "Yasmine", "Anne-Sophie", "Marie-Thérèse", "Lætitia", "Gaëlle", "Éloïse", "Clémence", "Jade", "Ambre",
}

var maleNames = []string{
	"Jean", "Pierre", "Michel", "André", "Philippe", "Louis", "René", "Alain", "Jacques", "Bernard",
	"Marcel", "Daniel", "Roger", "Robert", "Paul", "Claude", "Henri", "Christian", "Nicolas", "Georges",
	"Patrick", "Gérard", "Christophe", "David", "Frédéric", "Stéphane", "Sébastien", "Éric", "Laurent", "Julien",
	"Thomas", "Alexandre", "Lucas", "Hugo", "Enzo", "Théo", "Raphaël", "Gabriel", "Arthur", "Noé",
	"Mohamed", "Mehdi", "Karim", "Jean-François", "Jean-Baptiste", "Loïc", "Gaël", "Maël", "Timothée", "Anthonin",
}

// departments of birth on the mainland; those where many are born come often.
// Corsica is "2A" and "2B", which the number of somebody born before 1976 has
// as 20.
var departments = []string{
	"01", "02", "03", "04", "05", "06", "06", "07", "08", "09", "10", "11", "12", "13", "13", "13", "14", "15", "16", "17", "18", "19",
	"2A", "2B", "21", "22", "23", "24", "25", "26", "27", "28", "29", "30", "31", "31", "32", "33", "33", "34", "34", "35", "35", "36",
	"37", "38", "38", "39", "40", "41", "42", "43", "44", "44", "45", "46", "47", "48", "49", "50", "51", "52", "53", "54", "55", "56",
	"57", "58", "59", "59", "59", "59", "60", "61", "62", "62", "63", "64", "65", "66", "67", "67", "68", "69", "69", "69", "70", "71",
	"72", "73", "74", "75", "75", "75", "75", "76", "76", "77", "78", "79", "80", "81", "82", "83", "84", "85", "86", "87", "88", "89",
	"90", "91", "92", "92", "93", "93", "94", "94", "95",
}

var streets = []string{
	"rue de la République", "avenue du Général de Gaulle", "rue Victor Hugo", "place de l'Église", "rue Pasteur",
	"boulevard Jean Jaurès", "rue des Écoles", "chemin du Moulin", "allée des Tilleuls", "impasse des Lilas",
	"rue du Maréchal Foch", "rue de Verdun", "avenue de la Gare", "rue Émile Zola", "quai de la Fosse",
	"rue de l'Hôtel de Ville", "rue Saint-Rémi", "cours Mirabeau", "rue des Frères Lumière", "montée de la Grande Côte",
}

// cities with a postal code each.
var cities = []struct{ code, name string }{
	{"75011", "Paris"},
	{"75015", "Paris"},
	{"69003", "Lyon"},
	{"13006", "Marseille"},
	{"31000", "Toulouse"},
	{"06000", "Nice"},
	{"44000", "Nantes"},
	{"34000", "Montpellier"},
	{"67000", "Strasbourg"},
	{"33000", "Bordeaux"},
	{"59000", "Lille"},
	{"35000", "Rennes"},
	{"51100", "Reims"},
	{"42000", "Saint-Étienne"},
	{"76600", "Le Havre"},
	{"38000", "Grenoble"},
	{"21000", "Dijon"},
	{"49000", "Angers"},
	{"30000", "Nîmes"},
	{"29200", "Brest"},
	{"87000", "Limoges"},
	{"63000", "Clermont-Ferrand"},
	{"80000", "Amiens"},
	{"25000", "Besançon"},
	{"57000", "Metz"},
	{"66000", "Perpignan"},
	{"45000", "Orléans"},
	{"14000", "Caen"},
	{"20000", "Ajaccio"},
	{"20200", "Bastia"},
	{"97400", "Saint-Denis"},
	{"19000", "Tulle"},
	{"12000", "Rodez"},
	{"58000", "Nevers"},
	{"07000", "Privas"},
	{"93200", "Saint-Denis"},
	{"94000", "Créteil"},
	{"92000", "Nanterre"},
	{"77000", "Melun"},
	{"64000", "Pau"},
}

// fictitious are Arcep's blocks for works of fiction; four digits follow.
var fictitious = []string{
	"01 99 00", "02 61 91", "03 53 01", "04 65 71", "05 36 49",
	"06 39 98", "06 39 98", "06 39 98", "06 39 98", "06 39 98",
}
