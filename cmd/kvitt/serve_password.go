package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kvitt/kvitt/pipeline/console"
)

// passwordCommand makes what password_hash of a [[serve.user]] takes. The password comes in on
// stdin: an argument would stand in the shell's history.
func (a *app) passwordCommand() *cobra.Command {
	return &cobra.Command{
		Use: "password", Short: "reads a password from stdin and prints its hash, for [[serve.user]]",
		RunE: func(*cobra.Command, []string) error {
			line, err := bufio.NewReader(os.Stdin).ReadString('\n')
			password := strings.TrimRight(line, "\r\n")
			if password == "" {
				return errors.Join(errUsage, errors.New("no password on stdin"), err)
			}
			hash, err := console.HashPassword(password)
			if err != nil {
				return fmt.Errorf("%w: %w", errUsage, err)
			}
			_, err = fmt.Fprintln(a.stdout, hash)
			return err
		},
	}
}
