package main

import (
	"fmt"

	provider "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
)

// Logging says which output of a command is shown while it runs. Both are captured whatever it says.
type Logging string

const (
	logStdout          Logging = "stdout"
	logStderr          Logging = "stderr"
	logStdoutAndStderr Logging = "stdoutAndStderr"
	logNone            Logging = "none"
)

// Values lists the enumeration for the schema.
func (Logging) Values() []infer.EnumValue[Logging] {
	return []infer.EnumValue[Logging]{
		{Name: "Stdout", Value: logStdout, Description: "Show stdout but not stderr"},
		{Name: "Stderr", Value: logStderr, Description: "Show stderr but not stdout"},
		{Name: "StdoutAndStderr", Value: logStdoutAndStderr, Description: "Show stdout and stderr"},
		{Name: "None", Value: logNone, Description: "Show nothing"},
	}
}

// Process says how a command is run: what Command and Run have in common.
type Process struct {
	Interpreter            *[]string          `pulumi:"interpreter,optional"`
	Dir                    *string            `pulumi:"dir,optional"`
	Environment            *map[string]string `pulumi:"environment,optional"`
	Stdin                  *string            `pulumi:"stdin,optional"`
	Logging                *Logging           `pulumi:"logging,optional"`
	AddPreviousOutputInEnv *bool              `pulumi:"addPreviousOutputInEnv,optional"`
	AssetPaths             *[]string          `pulumi:"assetPaths,optional"`
	ArchivePaths           *[]string          `pulumi:"archivePaths,optional"`
}

// Annotate describes the fields in the schema.
func (p *Process) Annotate(a infer.Annotator) {
	a.Describe(&p.Interpreter, `Program and arguments that run the command. Default: ["/bin/sh", "-c"].`)
	a.Describe(&p.Dir, "Directory in which the command runs. It must exist.")
	a.Describe(&p.Environment, "Environment variables beside those of the plugin.")
	a.Describe(&p.Stdin, "Text passed to the command's standard input.")
	a.Describe(&p.Logging, "Which output is shown while the command runs. Default: both.")
	a.Describe(&p.AddPreviousOutputInEnv,
		"Whether PULUMI_COMMAND_STDOUT and PULUMI_COMMAND_STDERR carry the previous run's output. Default: true.")
	a.Describe(&p.AssetPaths, "Not supported by this build of the plugin.")
	a.Describe(&p.ArchivePaths, "Not supported by this build of the plugin.")
}

// shows tells whether lines of the stream ("stdout" or "stderr") are shown while the command runs.
func (p Process) shows(stream Logging) bool {
	return p.Logging == nil || *p.Logging == logStdoutAndStderr || *p.Logging == stream
}

func (p Process) passesPreviousOutput() bool {
	return p.AddPreviousOutputInEnv == nil || *p.AddPreviousOutputInEnv
}

// unsupported lists the inputs that only the official plugin has.
func (p Process) unsupported() []provider.CheckFailure {
	var failures []provider.CheckFailure
	for property, paths := range map[string]*[]string{"assetPaths": p.AssetPaths, "archivePaths": p.ArchivePaths} {
		if paths != nil {
			failures = append(failures, provider.CheckFailure{
				Property: property,
				Reason: fmt.Sprintf("%s is not supported by the command plugin that pg-continuity builds. "+
					`Install the official one with "pulumi plugin install resource command %s".`, property, version),
			})
		}
	}
	return failures
}

// Outcome is what a command printed.
type Outcome struct {
	Stdout string `pulumi:"stdout"`
	Stderr string `pulumi:"stderr"`
}

// Annotate describes the fields in the schema.
func (o *Outcome) Annotate(a infer.Annotator) {
	a.Describe(&o.Stdout, "What the command wrote to its standard output, without the last line end.")
	a.Describe(&o.Stderr, "What the command wrote to its standard error, without the last line end.")
}
