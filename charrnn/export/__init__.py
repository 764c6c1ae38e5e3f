"""What leaves charrnn: a graph that other programs run, and a folder to publish.

about.py   what is known of a run's text and of its rights
graph.py   a plan's operations as an ONNX graph of one step
onnx.py    writes that graph, once it has computed what the model computes
folder.py  a run's folder with one checkpoint and a model card
card.py    the model card
"""
