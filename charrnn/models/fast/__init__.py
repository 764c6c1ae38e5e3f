"""Fast kernels for the recurrences of models/. Nothing here is needed to understand what they compute.

windows.py   the only entrance: a window through a stack of recurrences, in the fastest way there is
kernels.py   rnn, lstm and gru over a whole window, and products of matrices, in C (charrnn/native/cells.c)
parallel.py  a whole stack of minGRU or minLSTM as one operation, in C (charrnn/native/parallel.c)
counting.py  ln p of an n-gram, in C (charrnn/native/ngram.c)
scan.py      the loop over time of minGRU and minLSTM as one operation of autograd, in PyTorch
"""
