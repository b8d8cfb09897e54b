"""Inference on encrypted input: the server learns nothing of the input, the client gets f(x) and
never the model.

    security, parameters     how large a modulus may be, and which primes a model takes
    backend, seal            the operations that a library does; SEAL does them
    network, layout          what is answered, and where its numbers stand in slots
    evaluation, answering    layers on ciphertexts; what of the result leaves
    model, wire              files and messages
    client, server, app      who asks, who answers, and HTTP between them
    compiling, fitting       models of scikit-learn and torch -> networks of squares
    owner                    the other way round: encrypted weights on a host that is not trusted

It does not stop extraction: whoever may ask enough may copy. And what a server cannot read it
cannot judge: signals of content, rounding and labels-only answers are blind here. So answers are
given under a hard budget of rows a key.
"""
