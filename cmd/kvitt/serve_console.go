package main

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/kvitt/kvitt/cmd/kvitt/config"
	"github.com/kvitt/kvitt/extract/all"
	"github.com/kvitt/kvitt/pipeline"
	"github.com/kvitt/kvitt/pipeline/console"
)

// console makes the pages for people, which stand at /. Without a configuration, cfg is nil, they are
// those that write one.
func (a *app) console(ctx context.Context, dataDir string, cfg *config.Config, lg *slog.Logger) (http.Handler, error) {
	o := console.Options{
		DataDir: dataDir, Now: a.clock, Wall: time.Now, Log: lg, Context: ctx, Open: true, Eager: true,
		Load: func() (*pipeline.Project, error) {
			_, p, err := a.load()
			return p, err
		},
		Check: func(ctx context.Context, offline bool) ([]console.Light, error) {
			cfg, p, err := a.load()
			if err != nil {
				return nil, err
			}
			var out []console.Light
			for _, v := range a.checks(ctx, cfg, p, offline) {
				out = append(out, console.Light{Light: v.light, What: v.what, Says: v.says})
			}
			return out, nil
		},
		Reverse: func(ctx context.Context, p *pipeline.Project, document, _ string) (pipeline.Result, error) {
			return p.Reverse(ctx, document)
		},
		Resolve: resolver{},
		Config:  config.NewFile(a.configPath, a.env, all.Sources(), config.Keyring(keyringEntry), config.Targets("sie", "fortnox")),
	}
	if cfg == nil {
		return console.New(o)
	}
	s := cfg.Serve
	o.Open = !s.SignIn()
	o.Secure = s.TLSCert != "" || s.BehindProxy
	o.TrustForwarded = s.BehindProxy
	for _, u := range s.Users {
		o.Users = append(o.Users, console.User{Name: u.Name, PasswordHash: u.PasswordHash, Roles: roles(u.Roles)})
	}
	if s.OIDC != nil {
		o.OIDC = &console.OIDC{Title: s.OIDC.Title, Issuer: s.OIDC.Issuer, ClientID: s.OIDC.ClientID, ClientSecret: s.OIDC.ClientSecret,
			GroupsClaim: s.OIDC.GroupsClaim, RedirectURL: s.PublicURL + "/sign-in/oidc/back", Roles: map[string][]console.Role{}}
		for who, names := range s.OIDC.Roles {
			o.OIDC.Roles[who] = roles(names)
		}
	}
	return console.New(o)
}

func roles(names []string) (out []console.Role) {
	for _, n := range names {
		out = append(out, console.Role(n))
	}
	return out
}
