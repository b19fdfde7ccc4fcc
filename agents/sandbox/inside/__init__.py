"""What runs inside the sandbox: loaded by a bare interpreter as the top-level package `inside`.

Standard library and relative imports only; nothing here may import the rest of the project.
"""
