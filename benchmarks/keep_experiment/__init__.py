"""The experiment on real tiles: does knowledge help where names end?"""
