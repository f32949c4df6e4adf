package keys

import "context"

// Identity is what Vault says of the token that a store uses: each "" where Vault or the
// token's policies do not tell.
type Identity struct {
	Name     string // display name, such as "approle" or "ldap-duval"
	Accessor string // names the token in Vault's own audit log
	Entity   string // ID of the entity
	Role     string // that it was logged in with
}

// Identity looks the token up. A token that may not do that has no identity, which is no
// error.
func (s *VaultStore) Identity(ctx context.Context) (Identity, error) {
	var id Identity
	err := s.do(ctx, func() error {
		answer, err := s.session.client.Auth().Token().LookupSelfWithContext(ctx)
		if err != nil || answer == nil {
			return err
		}
		text := func(from map[string]any, name string) string {
			value, _ := from[name].(string)
			return value
		}
		id.Name, id.Accessor, id.Entity = text(answer.Data, "display_name"), text(answer.Data, "accessor"), text(answer.Data, "entity_id")
		if meta, ok := answer.Data["meta"].(map[string]any); ok {
			id.Role = text(meta, "role_name")
		}
		return nil
	})
	if err != nil && !isForbidden(err) {
		return Identity{}, s.fail("", "auth/token/lookup-self", "", err)
	}
	return id, nil
}

// Place says where the keysets are.
func (s *VaultStore) Place() string { return s.config.place(s.config.KVMount + "/" + s.config.KVPath) }
