// Command pulumi-resource-command is the part of Pulumi's command provider that this project uses:
// the resource command:local:Command and the function command:local:run, to the semantics that
// @pulumi/command 1.2.1 documents. It stands in where the official plugin cannot be downloaded.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/pulumi/pulumi-go-provider/infer"
)

// version is set by the linker, from scripts/setup/pins.ts.
var version = "0.0.0-dev"

func main() {
	provider, err := infer.NewProviderBuilder().
		WithDisplayName("Command").
		WithDescription("Runs local commands in the life cycle of a resource.").
		WithLicense("Apache-2.0").
		WithResources(infer.Resource(&Command{})).
		WithFunctions(infer.Function(&Run{})).
		Build()
	if err == nil {
		err = provider.Run(context.Background(), "command", version)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "pulumi-resource-command: %s\n", err)
		os.Exit(1)
	}
}
