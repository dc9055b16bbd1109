package svea

import "testing"

func TestAuthorization(t *testing.T) {
	for body, want := range map[string]string{
		"":                    "Svea MTIzMTIzOmVhZDBlODIxZTkyNTNmNGU4M2FiZTRjNjQzYTg5OGYxNGVjOTM3ZDE1YTQzNTYwMTU5MzI2NWQ5YTczN2FiODRhZTBmMWYzMDNmZWI4YTU1OTI5YTg4NmYxYmEwOGFiYjJiNTE1YWQ4YTMyNDM0N2ViMzVkMTAwNmEwOTlkYTMw",
		`{"OrderRowIds":[1]}`: "Svea MTIzMTIzOmZkMjgwNTBlMThlOTNlOWRhNmZlMjEzMDAzYTU1YmYyMzJlYzM3Y2JmZGQ1ZWMwMjVlYTIyYTJiOGZiMzVmYzgzMGYyODllYzY1OThkNjk1MjFjMzI5M2M4OWQ5OTZhZTFiNzUxZjNjMDhmMzgwMjg4YmEzNTQ5ZTlkYTZhNGIz",
	} {
		if got := authorization("123123", "sharedSecret", body, "2017-10-23 13:03:03"); got != want {
			t.Errorf("body %q is signed %s, want %s", body, got, want)
		}
	}
}
