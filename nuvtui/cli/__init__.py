"""The command line: parse, call a service or submit a task, print.

Data goes to standard output, talk and progress to standard error. Heavy imports stay inside the commands.
"""
