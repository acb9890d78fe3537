"""The command line: one file a task. Each has HELP, add_arguments(parser) and run(arguments, progress) -> result."""
