package main

import (
	"context"
	"errors"

	"github.com/pulumi/pulumi-go-provider/infer"
)

// Run is a command that runs every time the program does, in a preview too.
type Run struct{}

// RunInputs are the arguments of Run.
type RunInputs struct {
	Process
	Command string `pulumi:"command"`
}

// RunResult repeats the arguments beside what the command printed.
type RunResult struct {
	RunInputs
	Outcome
}

// Annotate gives the function its token and description.
func (r *Run) Annotate(a infer.Annotator) {
	a.SetToken("local", "run")
	a.Describe(&r, "Runs a command on this machine, in every preview and every update.")
}

// Annotate describes the fields in the schema.
func (i *RunInputs) Annotate(a infer.Annotator) {
	a.Describe(&i.Command, "The command to run.")
}

// Invoke runs the command.
func (*Run) Invoke(
	ctx context.Context, req infer.FunctionRequest[RunInputs],
) (infer.FunctionResponse[RunResult], error) {
	if failures := req.Input.unsupported(); len(failures) > 0 {
		return infer.FunctionResponse[RunResult]{}, errors.New(failures[0].Reason)
	}
	outcome, err := execute(ctx, req.Input.Command, req.Input.Process, Outcome{})
	return infer.FunctionResponse[RunResult]{Output: RunResult{RunInputs: req.Input, Outcome: outcome}}, err
}
