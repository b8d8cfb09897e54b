"""Inference on encrypted input: the server learns nothing about the input; the client gets f(x) and
not the model.

    security, parameters                     limits of the modulus, and the primes for a model
    backend, seal_backend, seal_files        the operations of a CKKS library; SEAL implements them
    residues                                 vectors modulo a prime
    square_network, slot_layout              the function f, and the layout of its numbers in slots
    evaluation, answering                    layers on ciphertexts; the part of the result to send
    compiled_model, wire                     files and messages
    inference_client, inference_server, app  encryption, evaluation, and HTTP between them
    compiling, fitting                       from models of scikit-learn and torch to f
    owner                                    the reverse: encrypted weights on an untrusted host

It does not prevent extraction: a client with enough queries can copy the model. The server cannot
analyse what it cannot read: signals on content, rounding and label-only answers do not work here.
Therefore answers are limited by a hard budget of rows for each key.
"""
