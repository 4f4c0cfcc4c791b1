// Built together with the sources of the language host of sdk v3.68.0, which the build copies into this folder (a
// command cannot be imported).
//
// A newer CLI hands the project's runtime options (Pulumi.yaml, runtime.options) over in each request; this older
// host takes them as flags. So it reads them itself, from the Pulumi.yaml of the folder it is started in or of one
// above, as the CLI does.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"gopkg.in/yaml.v3"
)

func init() {
	folder, err := os.Getwd()
	if err != nil {
		return
	}
	for {
		content, err := os.ReadFile(filepath.Join(folder, "Pulumi.yaml"))
		if err == nil {
			os.Args = append(append([]string{os.Args[0]}, flagsOf(content)...), os.Args[1:]...)
			return
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			return
		}
		folder = parent
	}
}

// flagsOf turns the runtime options that this host knows into its flags.
func flagsOf(projectFile []byte) []string {
	var project struct {
		Runtime yaml.Node `yaml:"runtime"`
	}
	if err := yaml.Unmarshal(projectFile, &project); err != nil {
		fmt.Fprintf(os.Stderr, "pulumi-language-nodejs: Pulumi.yaml: %v\n", err)
		return nil
	}
	var runtime struct {
		Options map[string]any `yaml:"options"`
	}
	if project.Runtime.Kind != yaml.MappingNode {
		return nil
	}
	if err := project.Runtime.Decode(&runtime); err != nil {
		fmt.Fprintf(os.Stderr, "pulumi-language-nodejs: Pulumi.yaml: runtime: %v\n", err)
		return nil
	}
	var flags []string
	for _, name := range []string{"typescript", "nodeargs", "tsconfig"} {
		if value, ok := runtime.Options[name]; ok {
			flags = append(flags, fmt.Sprintf("-%s=%v", name, value))
		}
	}
	return flags
}
