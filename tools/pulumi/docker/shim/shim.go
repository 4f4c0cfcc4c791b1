// Package shim makes the Terraform provider for Docker, which lives in an internal package, reachable for the bridge.
package shim

import (
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
	"github.com/terraform-providers/terraform-provider-docker/internal/provider"
)

// NewProvider returns the provider as its own plugin would serve it.
func NewProvider(version string) *schema.Provider {
	return provider.New(version)()
}
