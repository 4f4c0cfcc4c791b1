// Command pulumi-resource-docker is the part of Pulumi's docker provider that this project uses: Container, Network,
// Volume and RemoteImage, bridged from the same Terraform provider as the official plugin, with the same tokens and
// inputs as @pulumi/docker 5.2.0. It stands in where the official plugin cannot be downloaded.
package main

import (
	"fmt"
	"os"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
)

// version is set by the linker, from scripts/setup/pins.ts.
var version = "0.0.0-dev"

func main() {
	info := newProviderInfo(version)
	schema, err := packageSchema(info)
	if err != nil {
		fmt.Fprintf(os.Stderr, "pulumi-resource-docker: %s\n", err)
		os.Exit(1)
	}
	tfbridge.Main(packageName, version, info, schema)
}
