package config

import _ "embed"

//go:embed template.toml
var template string

// Template returns the commented kvitt.toml that "kvitt init" writes: Klarna over its
// API, Adyen from report files, vouchers to SIE. It loads without a warning once
// KLARNA_USERNAME and KLARNA_PASSWORD are set.
func Template() string { return template }
