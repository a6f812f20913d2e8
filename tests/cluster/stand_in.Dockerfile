# The diarizer's stand-in (tests/support/workers/diarizer_stand_in.py) in place of the real one. BASE: the optimizer's
# image. It runs as long as a recording lasts and uses memory for each speaker, so that a test can choose how much.
ARG BASE
FROM ${BASE}
COPY diarizer_stand_in.py /opt/whisperjob/app/whisperjob_diarizer/run.py
ENV STAND_IN_PACE=1 STAND_IN_SPEAKER_MIB=16
ENTRYPOINT ["python", "-m", "whisperjob_diarizer.run"]
