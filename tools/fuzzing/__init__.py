"""What tools/fuzz.py does, campaign by campaign.

forms, acts     a small event in every form that is read
damage          bytes and tables of text, damaged at random
structures      YAML and tensors, damaged at random
checks          what has to hold of what is read, and of messages
kind            what all campaigns are: files, and a try on damaged ones
events          campaigns on events and on tables beside them
pipelines       campaigns on recipes and pipeline folders
running         tries in workers, of which one may die
"""
