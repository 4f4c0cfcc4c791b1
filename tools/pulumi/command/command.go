package main

import (
	"context"

	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// Command runs one command when the resource is created, one when it is updated, one when it is deleted.
//
// Without Read and Diff of its own: a refresh sees no drift, every changed input is an update, and a changed
// trigger a replacement. Every output depends on every input, so one secret input makes the outputs secret.
type Command struct{}

// CommandInputs are the inputs of a Command.
type CommandInputs struct {
	Process
	Create   *string `pulumi:"create,optional"`
	Update   *string `pulumi:"update,optional"`
	Delete   *string `pulumi:"delete,optional"`
	Triggers *[]any  `pulumi:"triggers,optional" provider:"replaceOnChanges"`
}

// CommandState is what the stack keeps of a Command.
type CommandState struct {
	CommandInputs
	Outcome
}

var (
	_ infer.CustomCheck[CommandInputs]                = (*Command)(nil)
	_ infer.CustomUpdate[CommandInputs, CommandState] = (*Command)(nil)
	_ infer.CustomDelete[CommandState]                = (*Command)(nil)
)

// Annotate gives the resource its token and description.
func (c *Command) Annotate(a infer.Annotator) {
	a.SetToken("local", "Command")
	a.Describe(&c, "A command that runs on this machine in the life cycle of the resource.")
}

// Annotate describes the fields in the schema.
func (i *CommandInputs) Annotate(a infer.Annotator) {
	a.Describe(&i.Create, "Runs when the resource is created, and when it is updated without an update command.")
	a.Describe(&i.Update, "Runs when an input has changed.")
	a.Describe(&i.Delete, "Runs when the resource is deleted, as it was when create or update last ran.")
	a.Describe(&i.Triggers, "A change of any of these values replaces the resource.")
}

// Check refuses inputs that only the official plugin has.
func (*Command) Check(ctx context.Context, req infer.CheckRequest) (infer.CheckResponse[CommandInputs], error) {
	inputs, failures, err := infer.DefaultCheck[CommandInputs](ctx, req.NewInputs)
	return infer.CheckResponse[CommandInputs]{
		Inputs:   inputs,
		Failures: append(failures, inputs.unsupported()...),
	}, err
}

// Create runs the create command. Nothing is saved when it fails, so the next update tries again.
func (*Command) Create(
	ctx context.Context, req infer.CreateRequest[CommandInputs],
) (infer.CreateResponse[CommandState], error) {
	id, err := resource.NewUniqueHex(req.Name, 8, 0)
	if err != nil {
		return infer.CreateResponse[CommandState]{}, err
	}
	state := CommandState{CommandInputs: req.Inputs}
	if !req.DryRun && req.Inputs.Create != nil {
		state.Outcome, err = execute(ctx, *req.Inputs.Create, req.Inputs.Process, Outcome{})
	}
	return infer.CreateResponse[CommandState]{ID: id, Output: state}, err
}

// Update runs the update command, or create where there is none. The old state stays when it fails.
func (*Command) Update(
	ctx context.Context, req infer.UpdateRequest[CommandInputs, CommandState],
) (infer.UpdateResponse[CommandState], error) {
	state := CommandState{CommandInputs: req.Inputs, Outcome: req.State.Outcome}
	command := req.Inputs.Update
	if command == nil {
		command = req.Inputs.Create
	}
	if req.DryRun || command == nil {
		return infer.UpdateResponse[CommandState]{Output: state}, nil
	}
	outcome, err := execute(ctx, *command, req.Inputs.Process, req.State.Outcome)
	state.Outcome = outcome
	return infer.UpdateResponse[CommandState]{Output: state}, err
}

// Delete runs the delete command with the inputs of the state.
func (*Command) Delete(ctx context.Context, req infer.DeleteRequest[CommandState]) (infer.DeleteResponse, error) {
	if req.State.Delete == nil {
		return infer.DeleteResponse{}, nil
	}
	_, err := execute(ctx, *req.State.Delete, req.State.Process, req.State.Outcome)
	return infer.DeleteResponse{}, err
}
