"""The one table of what ffmpeg may open: protocols, demuxers, decoders, and limits on each.

Untrusted bytes choose their own demuxer, so all that may be chosen is named here. ffmpeg itself refuses everything else
(playlists, devices, network, images, subtitles that open other files). Names that an installed ffmpeg does not have are
harmless: the lists are only matched against what it recognised.
"""

from typing import Final


def _names(table: str) -> frozenset[str]:
    return frozenset(table.split())


PROTOCOLS: Final = ("file", "pipe")

AUDIO_DEMUXERS: Final = _names(
    """
    aa aac aax ac3 ac4 ace acm act adf adp ads adx aea afc aiff aix alp amr amrnb amrwb apac apc ape apm aptx
    aptx_hd argo_asf argo_brp argo_cvg ast au avr bfstm binka bit boa bonk brstm caf codec2 codec2raw daud derf
    dfpwm dsf dsicin dss dts dtshd eac3 epaf f32be f32le f64be f64le flac fsb fwse g722 g723_1 g726 g726le g729 genh
    gsm hca hcom ialaw iff ilbc ircam kvag lc3 loas lvf mca mlp mmf mp3 mpc mpc8 msf msnwctcp msp mtaf musx nistsphere
    nsp ogg oma osq paf pp_bnk psxstr pvf qcp qoa redspark rka rsd rso s16be s16le s24be s24le s32be s32le s337m s8
    sbc scd sdns sds sdx shn simbiosis_imx sln smp sol sox spdif svag svs tak tta truehd u16be u16le u24be u24le
    u32be u32le u8 vag voc vpk vqf w64 wady wav wavarc wsd wv wve xa xmd xvag xwma alaw mulaw vidc iss siff
    """
)

VIDEO_DEMUXERS: Final = _names(
    """
    3dostr 4xm amv anm asf asf_o av1 avi avs avs2 avs3 bethsoftvid bfi bink bmv c93 cavsvideo cdg cdxl cine dcstr
    dfa dhav dirac dnxhd dv dxa ea ea_cdata evc film_cpk filmstrip flic flv frm gdv gxf h261 h263 h264 hevc hnm
    idcin idf iec61883 ifv ingenient ipmovie ipu iv8 ivf ivr jv kux lmlm4 live_flv luodat lxf m4v matroska webm
    mgsts mjpeg mjpeg_2000 mlv mm mods moflex mov mp4 m4a 3gp 3g2 mj2 mpeg mpegts mpegvideo mpjpeg msp mtv mv mvi
    mxf mxg nc nsv nut nuv obu paf pdv pmp pva r3d rl2 rm roq rpl ser sga smjpeg smk smush swf thp tiertexseq tmv ty
    txd usm vc1 vc1test vivo vividas vmd vvc wc3movie wsaud wsvqa wtv xmv yop yuv4mpegpipe
    """
)

SUBTITLE_DEMUXERS: Final = _names(
    """
    aqtitle ass jacosub lrc mcc microdvd mpl2 mpsub pjs realtext sami sbg scc srt stl subviewer subviewer1 sup
    vplayer webvtt
    """
)
"""Only for the probe: a file of subtitles alone is a recording without sound, and no unknown format."""

TIMED_DEMUXERS: Final = _names("3gp asf flv m4a matroska mov mp4 mpeg mpegts mxf nut ogg webm wtv")
"""Containers whose timestamps can be relied on. In others they are estimates by a bit rate, or depend on the muxer."""

AUDIO_DECODERS: Final = _names(
    """
    8svx_exp 8svx_fib aac aac_fixed aac_latm ac3 ac3_fixed acelp.kelvin adpcm_4xm adpcm_adx adpcm_afc adpcm_agm
    adpcm_aica adpcm_argo adpcm_circus adpcm_ct adpcm_dtk adpcm_ea adpcm_ea_maxis_xa adpcm_ea_r1 adpcm_ea_r2
    adpcm_ea_r3 adpcm_ea_xas adpcm_g722 adpcm_g726 adpcm_g726le g722 g726 g726le adpcm_ima_acorn adpcm_ima_alp
    adpcm_ima_amv adpcm_ima_apc adpcm_ima_apm adpcm_ima_cunning adpcm_ima_dat4 adpcm_ima_dk3 adpcm_ima_dk4
    adpcm_ima_ea_eacs adpcm_ima_ea_sead adpcm_ima_escape adpcm_ima_hvqm2 adpcm_ima_hvqm4 adpcm_ima_iss
    adpcm_ima_magix adpcm_ima_moflex adpcm_ima_mtf adpcm_ima_oki adpcm_ima_pda adpcm_ima_qt adpcm_ima_rad
    adpcm_ima_smjpeg adpcm_ima_ssi adpcm_ima_wav adpcm_ima_ws adpcm_ima_xbox adpcm_ms adpcm_mtaf adpcm_n64 adpcm_psx
    adpcm_psxc adpcm_sanyo adpcm_sbpro_2 adpcm_sbpro_3 adpcm_sbpro_4 adpcm_swf adpcm_thp adpcm_thp_le adpcm_vima
    adpcm_xa adpcm_xmd adpcm_yamaha adpcm_zork ahx alac als amrnb amrwb apac ape aptx aptx_hd atrac1 atrac3 atrac3al
    atrac3plus atrac3plusal atrac9 binkaudio_dct binkaudio_rdft bmv_audio bonk cbd2_dpcm cook dca derf_dpcm dfpwm
    dolby_e dsd_lsbf dsd_lsbf_planar dsd_msbf dsd_msbf_planar dsicinaudio dss_sp dst dvaudio eac3 evrc fastaudio
    flac g723_1 g728 g729 gremlin_dpcm gsm gsm_ms hca hcom iac ilbc imc interplay_dpcm interplayacm libcodec2
    libfdk_aac libgsm libgsm_ms libilbc liblc3 libopencore_amrnb libopencore_amrwb libopus libspeex libvorbis mace3
    mace6 metasound misc4 mlp mp1 mp1float mp2 mp2float mp3 mp3adu mp3adufloat mp3float mp3on4 mp3on4float mpc7 mpc8
    msnsiren nellymoser on2avc opus osq paf_audio pcm_alaw pcm_bluray pcm_dvd pcm_f16le pcm_f24le pcm_f32be
    pcm_f32le pcm_f64be pcm_f64le pcm_lxf pcm_mulaw pcm_s16be pcm_s16be_planar pcm_s16le pcm_s16le_planar pcm_s24be
    pcm_s24daud pcm_s24le pcm_s24le_planar pcm_s32be pcm_s32le pcm_s32le_planar pcm_s64be pcm_s64le pcm_s8
    pcm_s8_planar pcm_sga pcm_u16be pcm_u16le pcm_u24be pcm_u24le pcm_u32be pcm_u32le pcm_u8 pcm_vidc qcelp qdm2
    qdmc qoa ra_144 ra_288 ralf real_144 real_288 rka roq_dpcm s302m sbc sdx2_dpcm shorten sipr siren smackaud
    sol_dpcm speex tak truehd truespeech tta twinvq vmdaudio vorbis wady_dpcm wavarc wavpack wmalossless wmapro
    wmav1 wmav2 wmavoice ws_snd1 xan_dpcm xma1 xma2
    """
)

VIDEO_DECODERS: Final = _names(
    """
    012v 4xm 8bps aasc agm aic alias_pix amv anm ansi apng apv arbc argo asv1 asv2 aura aura2 av1 avrn avrp avs avui
    ayuv bethsoftvid bfi binkvideo bintext bitpacked bmp bmv_video brender_pix c93 camstudio camtasia cavs
    cdgraphics cdtoons cdxl cfhd cinepak clearvideo cljr cllc cpia cri cyuv dds dfa dirac dnxhd dpx dsicinvideo
    dvvideo dxa dxtory dxv eacmv eamad eatgq eatgv eatqi escape124 escape130 evc exr ffv1 ffvhuff fic fits flashsv
    flashsv2 flic flv fmvc fraps frwu g2m gdv gem gif h261 h263 h263i h263p h264 hap hdr hevc hnm4video hq_hqa hqx
    huffyuv hymt idcinvideo idf iff imm4 imm5 indeo2 indeo3 indeo4 indeo5 interplayvideo ipu jpeg2000 jpegls
    jpegxl_anim jv kgv1 kmvc lagarith lead libaom-av1 libdav1d libjxl libjxl_anim libopenjpeg librsvg libsvtjpegxs
    libvpx libvpx-vp9 libxevd loco lscr m101 magicyuv mdec media100 mimic mjpeg mjpegb mmvideo mobiclip motionpixels
    mpeg1video mpeg2video mpeg4 mpegvideo msa1 mscc msmpeg4 msmpeg4v1 msmpeg4v2 msp2 msrle mss1 mss2 msvideo1 mszh
    mts2 mv30 mvc1 mvc2 mvdv mvha mwsc mxpeg notchlc nuv paf_video pam pbm pcx pdv pfm pgm pgmyuv pgx phm photocd
    pictor pixlet png ppm prores prosumer psd ptx qdraw qoi qpeg qtrle r10k r210 rasc rawvideo rl2 roqvideo rpza
    rscc rtv1 rv10 rv20 rv30 rv40 rv60 sanm scpr screenpresso sga sgi sgirle sheervideo simbiosis_imx smackvid smc
    smvjpeg snow sp5x speedhq srgc sunrast svq1 svq3 targa targa_y216 tdsc theora thp tiertexseqvideo tiff tmv
    truemotion1 truemotion2 truemotion2rt tscc2 txd ultimotion utvideo v210 v210x v308 v408 v410 vb vble vbn vc1
    vc1image vcr1 vmdvideo vmix vmnc vnull vp3 vp4 vp5 vp6 vp6a vp6f vp7 vp8 vp8_alpha vp9 vp9_alpha vqavideo vqc
    vvc wbmp wcmv webp wmv1 wmv2 wmv3 wmv3image wnv1 wrapped_avframe xan_wc3 xan_wc4 xbin xbm xface xl xpm xwd y41p
    ylc yop yuv4 zerocodec zlib zmbv
    """
)
"""Only for ffprobe, which gives up on a file with any stream whose decoder it may not open. These decoders are opened
and never fed: the container's own list (audio only) prevents that pictures are decoded."""

SUBTITLE_DECODERS: Final = _names(
    """
    arib_caption ass cc_dec dvbsub dvdsub jacosub libaribb24 libaribcaption libzvbi_teletextdec microdvd mov_text
    mpl2 pgssub pjs realtext sami srt ssa stl subrip subviewer subviewer1 text vplayer webvtt xsub
    """
)
"""Only for ffprobe, as the video decoders."""

MAX_STREAMS: Final = 256
"""A recording has a few; a file that declares thousands is made to use up memory."""

MAX_ALLOC_BYTES: Final = 512 * 1024 * 1024
"""The limit of one allocation in ffmpeg. The index of a day of MP4 takes about 100 MB."""

PROBE_BYTES: Final = 20_000_000
"""How far ffmpeg reads for streams that start late (a film's MPEG-TS); its own 5 MB miss some."""

FAR_PROBE_BYTES: Final = 150_000_000
"""How far it reads if sound was found and its format was not: a minute of picture can come before the first sound. All
that is read is kept in memory."""

_ANALYZED_SECONDS: Final = 600
"""ffmpeg's own 5 seconds miss sound that begins later. The bytes above are what ends the search."""


def input_options(*, probing: bool, probe_bytes: int = PROBE_BYTES, skipped_bytes: int = 0) -> list[str]:
    """Returns the options before every `-i` of untrusted bytes, for ffprobe and ffmpeg."""
    opened: list[str] = []
    if probing:
        opened = [
            *("-codec_whitelist:v", ",".join(sorted(VIDEO_DECODERS))),
            *("-codec_whitelist:s", ",".join(sorted(SUBTITLE_DECODERS))),
        ]
    demuxers = AUDIO_DEMUXERS | VIDEO_DEMUXERS | (SUBTITLE_DEMUXERS if probing else frozenset())
    return [
        *("-protocol_whitelist", ",".join(PROTOCOLS)),
        *("-format_whitelist", ",".join(sorted(demuxers))),
        *("-codec_whitelist", ",".join(sorted(AUDIO_DECODERS))),
        *opened,
        *("-max_streams", str(MAX_STREAMS)),
        *("-probesize", str(probe_bytes)),
        *("-analyzeduration", str(_ANALYZED_SECONDS * 1_000_000)),
        *(("-skip_initial_bytes", str(skipped_bytes)) if skipped_bytes else ()),
    ]
