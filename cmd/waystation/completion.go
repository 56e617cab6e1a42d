package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help is the long help of completion.
func (*completionCommand) Help() string {
	return "For bash, in ~/.bashrc: source <(waystation completion bash). For zsh, in ~/.zshrc, behind compinit: " +
		"source <(waystation completion zsh). For fish: waystation completion fish > ~/.config/fish/completions/waystation.fish."
}

// Run prints the script.
func (c *completionCommand) Run(kctx *kong.Context, out io.Writer) error {
	text := bashCompletion(kctx.Model.Node)
	switch c.Shell {
	case "zsh":
		text = "autoload -U +X bashcompinit && bashcompinit\n" + text
	case "fish":
		text = fishCompletion(kctx.Model.Node)
	}
	_, err := io.WriteString(out, text)
	return err
}

// takesFile reports whether a flag's value is a file or folder.
func takesFile(f *kong.Flag) bool { return f.PlaceHolder == "FILE" || f.PlaceHolder == "DIR" }

// words are what can follow a command: its flags, and arguments of a fixed choice.
func words(n *kong.Node) []string {
	var list []string
	for _, f := range n.Flags {
		if !f.Hidden {
			list = append(list, "--"+f.Name)
		}
	}
	for _, a := range n.Positional {
		if a.Enum != "" {
			list = append(list, strings.Split(a.Enum, ",")...)
		}
	}
	return list
}

func bashCompletion(root *kong.Node) string {
	var names, files []string
	for _, n := range root.Children {
		names = append(names, n.Name)
		for _, f := range n.Flags {
			if takesFile(f) {
				files = append(files, "--"+f.Name)
			}
		}
	}
	var b strings.Builder
	b.WriteString("_waystation() {\n" +
		"  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words=\n" +
		"  case $before in\n")
	fmt.Fprintf(&b, "    %s) COMPREPLY=($(compgen -f -- \"$word\")); return ;;\n", strings.Join(files, "|"))
	b.WriteString("  esac\n  case ${COMP_WORDS[1]} in\n")
	for _, n := range root.Children {
		list := words(n)
		if n.Name == "help" {
			list = names
		}
		fmt.Fprintf(&b, "    %s) words='%s' ;;\n", n.Name, strings.Join(list, " "))
	}
	b.WriteString("  esac\n")
	fmt.Fprintf(&b, "  [ \"$COMP_CWORD\" -eq 1 ] && words='%s --help --version'\n", strings.Join(names, " "))
	b.WriteString("  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n}\ncomplete -F _waystation waystation\n")
	return b.String()
}

func fishCompletion(root *kong.Node) string {
	quoted := func(s string) string {
		return "'" + strings.NewReplacer("\\", "\\\\", "'", "\\'").Replace(s) + "'"
	}
	var b strings.Builder
	b.WriteString("complete -c waystation -f\n")
	for _, n := range root.Children {
		fmt.Fprintf(&b, "complete -c waystation -n __fish_use_subcommand -a %s -d %s\n", n.Name, quoted(n.Help))
		on := quoted("__fish_seen_subcommand_from " + n.Name)
		for _, f := range n.Flags {
			value := " -r"
			switch {
			case f.Hidden:
				continue
			case f.IsBool():
				value = ""
			case takesFile(f):
				value = " -r -F"
			}
			fmt.Fprintf(&b, "complete -c waystation -n %s -l %s%s -d %s\n", on, f.Name, value, quoted(f.Help))
		}
		for _, a := range n.Positional {
			if a.Enum != "" {
				fmt.Fprintf(&b, "complete -c waystation -n %s -a %s\n", on, quoted(strings.ReplaceAll(a.Enum, ",", " ")))
			}
		}
	}
	return b.String()
}
