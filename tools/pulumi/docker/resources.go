package main

import (
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	shimv2 "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim/sdk-v2"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/terraform-providers/terraform-provider-docker/shim"
)

const packageName = "docker"

// newProviderInfo maps the Terraform provider's resources to the tokens and property names of @pulumi/docker.
func newProviderInfo(version string) tfbridge.ProviderInfo {
	info := tfbridge.ProviderInfo{
		P:           shimv2.NewProvider(shim.NewProvider(version)),
		Name:        packageName,
		Version:     version,
		Description: "Docker containers, networks, volumes and images.",
		License:     "Apache-2.0",
		Config: map[string]*tfbridge.SchemaInfo{
			"host": {Default: &tfbridge.DefaultInfo{
				Value:   "unix:///var/run/docker.sock",
				EnvVars: []string{"DOCKER_HOST"},
			}},
			"registry_auth": {Name: "registryAuth", MaxItemsOne: tfbridge.False()},
		},
		Resources: map[string]*tfbridge.ResourceInfo{
			"docker_container": {
				Tok: token("container", "Container"),
				// A container's name and published ports belong to one container at a time.
				DeleteBeforeReplace: true,
				Fields: map[string]*tfbridge.SchemaInfo{
					// Both are lists that Pulumi's SDK does not call by a plural.
					"command":           {Name: "command"},
					"networks_advanced": {Name: "networksAdvanced"},
				},
			},
			"docker_network": {Tok: token("network", "Network")},
			"docker_volume":  {Tok: token("volume", "Volume")},
			"docker_image": {
				Tok: token("remoteImage", "RemoteImage"),
				// The name says which image to find: never one that Pulumi makes up.
				Fields: map[string]*tfbridge.SchemaInfo{"name": {Name: "name"}},
			},
		},
	}
	info.SetAutonaming(255, "-")
	return info
}

func token(module, name string) tokens.Type {
	return tokens.Type(packageName + ":index/" + module + ":" + name)
}
