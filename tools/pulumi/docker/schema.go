package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/pulumi/inflector"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	shim "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
)

// packageSchema renders the Pulumi schema from the Terraform schema that the provider runs with.
//
// The bridge's own generator does the same at build time and more (documentation, five languages); compiling it would
// double the time that a build takes.
func packageSchema(info tfbridge.ProviderInfo) ([]byte, error) {
	spec := schema.PackageSpec{
		Name:        info.Name,
		Version:     info.Version,
		Description: info.Description,
		License:     info.License,
		Types:       map[string]schema.ComplexTypeSpec{},
		Resources:   map[string]schema.ResourceSpec{},
	}
	types := typeCollector{types: spec.Types}

	provider, err := types.object("Provider", info.P.Schema(), info.Config)
	if err != nil {
		return nil, err
	}
	spec.Config.Variables = provider.inputs
	spec.Provider = &schema.ResourceSpec{
		ObjectTypeSpec:  schema.ObjectTypeSpec{Type: "object", Properties: provider.inputs},
		InputProperties: provider.inputs,
	}

	for name, resource := range info.Resources {
		terraform, found := info.P.ResourcesMap().GetOk(name)
		if !found {
			return nil, fmt.Errorf("the Terraform provider has no resource %s", name)
		}
		object, err := types.object(resource.Tok.Name().String(), terraform.Schema(), resource.Fields)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		spec.Resources[string(resource.Tok)] = schema.ResourceSpec{
			ObjectTypeSpec:  schema.ObjectTypeSpec{Type: "object", Properties: object.all},
			InputProperties: object.inputs,
			RequiredInputs:  object.requiredInputs,
		}
	}
	return json.Marshal(spec)
}

// typeCollector gathers the object types that the properties refer to.
type typeCollector struct {
	types map[string]schema.ComplexTypeSpec
}

// object is one block of a Terraform schema in Pulumi's words.
type object struct {
	inputs         map[string]schema.PropertySpec
	all            map[string]schema.PropertySpec
	requiredInputs []string
}

func (c typeCollector) object(
	name string, fields shim.SchemaMap, infos map[string]*tfbridge.SchemaInfo,
) (object, error) {
	result := object{inputs: map[string]schema.PropertySpec{}, all: map[string]schema.PropertySpec{}}
	var failure error
	fields.Range(func(key string, field shim.Schema) bool {
		if field.Removed() != "" {
			return true
		}
		info := infos[key]
		property := tfbridge.TerraformToPulumiNameV2(key, fields, infos)
		typeSpec, err := c.property(name, property, field, info)
		if err != nil {
			failure = fmt.Errorf("%s: %w", key, err)
			return false
		}
		spec := schema.PropertySpec{
			TypeSpec:             typeSpec,
			Description:          field.Description(),
			DeprecationMessage:   field.Deprecated(),
			WillReplaceOnChanges: field.ForceNew(),
			Secret:               field.Sensitive(),
		}
		result.all[property] = spec
		if field.Optional() || field.Required() {
			result.inputs[property] = spec
			if field.Required() && (info == nil || info.Default == nil) {
				result.requiredInputs = append(result.requiredInputs, property)
			}
		}
		return true
	})
	return result, failure
}

// property is the type of one field: a list of at most one element is that element. Where it is an object, its type is
// named after the owner and the property: ports of Container are ContainerPort, its one healthcheck ContainerHealthcheck.
func (c typeCollector) property(
	owner, property string, field shim.Schema, info *tfbridge.SchemaInfo,
) (schema.TypeSpec, error) {
	switch field.Type() {
	case shim.TypeBool:
		return schema.TypeSpec{Type: "boolean"}, nil
	case shim.TypeInt:
		return schema.TypeSpec{Type: "integer"}, nil
	case shim.TypeFloat:
		return schema.TypeSpec{Type: "number"}, nil
	case shim.TypeString:
		return schema.TypeSpec{Type: "string"}, nil
	case shim.TypeList, shim.TypeSet:
		if tfbridge.IsMaxItemsOne(field, info) {
			return c.element(owner+title(property), field, info)
		}
		element, err := c.element(owner+title(inflector.Singularize(property)), field, info)
		if err != nil {
			return schema.TypeSpec{}, err
		}
		return schema.TypeSpec{Type: "array", Items: &element}, nil
	case shim.TypeMap:
		element, err := c.element(owner+title(property), field, info)
		return schema.TypeSpec{Type: "object", AdditionalProperties: &element}, err
	default:
		return schema.TypeSpec{}, fmt.Errorf("type %v has no counterpart", field.Type())
	}
}

func (c typeCollector) element(name string, field shim.Schema, info *tfbridge.SchemaInfo) (schema.TypeSpec, error) {
	var elementInfo *tfbridge.SchemaInfo
	var fieldInfos map[string]*tfbridge.SchemaInfo
	if info != nil && info.Elem != nil {
		elementInfo, fieldInfos = info.Elem, info.Elem.Fields
	}
	switch element := field.Elem().(type) {
	case nil:
		return schema.TypeSpec{Type: "string"}, nil
	case shim.Schema:
		return c.property(name, "", element, elementInfo)
	case shim.Resource:
		object, err := c.object(name, element.Schema(), fieldInfos)
		if err != nil {
			return schema.TypeSpec{}, err
		}
		token := fmt.Sprintf("%s:index/%s:%s", packageName, name, name)
		c.types[token] = schema.ComplexTypeSpec{ObjectTypeSpec: schema.ObjectTypeSpec{
			Type: "object", Properties: object.all, Required: object.requiredInputs,
		}}
		return schema.TypeSpec{Ref: "#/types/" + token}, nil
	default:
		return schema.TypeSpec{}, fmt.Errorf("element %T has no counterpart", element)
	}
}

func title(word string) string {
	if word == "" {
		return ""
	}
	return strings.ToUpper(word[:1]) + word[1:]
}
