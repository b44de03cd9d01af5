"""What a playbook can do: one file an action; `Args` names its arguments, plan/run/probe/undo are protocols.Action."""
