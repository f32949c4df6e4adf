package schema

// form gives how the values of a column of the file are stored, as the catalog shows; nil
// if that is in the clear, and may be.
func (l *loader) form(a *Attribute, c *Column) *Column {
	if c.Controlled() {
		if a.Orphan { // what it holds is sealed after all
			return nil
		}
		return c
	}
	seal, sealed := l.seals[a]
	if a.TypeOID != byteaOID {
		sealed = false
	}
	clear := !a.Orphan && (a.TypeOID != byteaOID || c.Type.OID() == byteaOID)
	forms := c.Forms()
	if in := c.clearForm(); clear && in != nil {
		if l.db.sealed != nil {
			return in
		}
		return nil
	}
	if !sealed {
		return forms[0]
	}
	var fitting []*Column
	for _, form := range forms {
		if keyed := l.db.withKey(form, seal.key, false); seal.isFor(keyed) {
			fitting = append(fitting, keyed)
		}
	}
	switch {
	case len(fitting) == 0:
		return forms[0]
	case len(fitting) == 1 || c.Mode == Randomized: // whose values open under both keys
		return fitting[0]
	case seal.key == 0, l.db.Holds != nil && !l.db.Holds(c.Key, seal.key):
		return fitting[1]
	}
	return fitting[0]
}

// partDomains sets columns of one domain apart whose CHECK constraints name different
// keys: their values do not compare.
func (l *loader) partDomains() {
	ids := make(map[string]map[uint32]struct{})
	each := func(f func(a *Attribute)) {
		for _, r := range l.relations {
			for i := range r.Attributes {
				if a := &r.Attributes[i]; a.Tagged != nil && a.Tagged.Mode == Deterministic {
					f(a)
				}
			}
		}
	}
	each(func(a *Attribute) {
		c := a.Tagged
		if ids[c.Domain] == nil {
			ids[c.Domain] = make(map[uint32]struct{})
		}
		ids[c.Domain][c.KeyID] = struct{}{}
	})
	parted := make(map[*Column]*Column)
	each(func(a *Attribute) {
		if c := a.Tagged; len(ids[c.Domain]) > 1 {
			if parted[c] == nil {
				parted[c] = l.db.withKey(l.unkeyed(c), c.KeyID, true)
			}
		}
	})
	each(func(a *Attribute) {
		if c := parted[a.Tagged]; c != nil {
			a.Tagged = c
		}
	})
	for file, form := range l.forms {
		if c := parted[form]; c != nil {
			l.forms[file] = c
		}
	}
}

// unkeyed gives the form of the file that a column was made from.
func (l *loader) unkeyed(c *Column) *Column {
	for _, form := range c.InFile().Forms() {
		if form.Mode == c.Mode && form.Context == c.Context && form.Key == c.Key && form.Padding == c.Padding {
			return form
		}
	}
	return c
}

// tags gives the columns that tables of the file's names have, or will have when they are
// made.
func (l *loader) tags() []*Column {
	keyOf := make(map[string]*Column) // of each domain
	for _, form := range l.forms {
		if form != nil && form.Mode == Deterministic {
			keyOf[form.Domain] = form
		}
	}
	var tags []*Column
	for _, c := range l.db.Columns {
		if c.Controlled() { // a table that applications make has it in the clear
			continue
		}
		form, stored := l.forms[c]
		switch peer := keyOf[c.Domain]; {
		case stored && form != nil:
			tags = append(tags, form)
		case stored || c.Mode == Unencrypted:
		case c.Mode == Deterministic && peer != nil && peer.Key == c.Key:
			tags = append(tags, l.db.withKey(c, peer.KeyID, false))
		default:
			tags = append(tags, c)
		}
	}
	return tags
}
