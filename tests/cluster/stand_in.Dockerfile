# The diarizer's stand-in (stand_in.py), in the real one's place. BASE: the optimizer's image.
ARG BASE
FROM ${BASE}
COPY stand_in.py /opt/whisperjob/app/whisperjob_diarizer/run.py
ENTRYPOINT ["python", "-m", "whisperjob_diarizer.run"]
